"""A tool call that is read in one step is the same as one that is read in two."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from callmux.depth import DEEPEST
from callmux.protocol.calling import Calling, DirectCall, of_caller, raw
from callmux.protocol.jsonrpc import Request, parse

PLAIN = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":1.50}}}'
OTHERS = (
    b'{"jsonrpc":"2.0","id":7,"method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call"}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":null}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{}}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":7}}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","task":{"ttl":1}}}',
    b'{"jsonrpc":"2.0","id":7.0,"method":"tools/call","params":{"name":"t"}}',
    b'{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"t"}}',
    b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t"}}',
    b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
    b'{"jsonrpc":"2.0","id":7,"result":{}}',
    b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"\xff"}}',
    b'[{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}]',
    b"no message",
    b'{"id":7,"method":"tools/call","params":{"name":"t","arguments":'
    + b"[" * (DEEPEST + 1)
    + b"]" * (DEEPEST + 1)
    + b"}}",
)


def test_a_call_is_read_with_its_params() -> None:
    message = of_caller(PLAIN)
    assert isinstance(message, Calling)
    assert (message.id, message.params.spelling, bytes(message.params.arguments or b"")) == (
        7,
        "t",
        b'{"n":1.50}',
    )
    assert message.params.meta is None


@pytest.mark.parametrize("line", OTHERS)
def test_what_is_no_such_call_is_what_it_was(line: bytes) -> None:
    assert of_caller(line) == parse(line)


@pytest.mark.parametrize(
    "params",
    [
        b'{"name":"t"}',
        b'{"name":"t","arguments":{"n": 1.50, "n": 2}}',
        b'{"name":"t","arguments":null,"_meta":{"progressToken": 7}}',
        b'{"name":"t","_meta":{}}',
        '{"name":"\u00e4","arguments":{"\u20ac":"\U0001f600"}}'.encode(),
    ],
)
def test_the_same_call_as_any_request(params: bytes) -> None:
    line = b'{"id":"a","method":"tools/call","params":' + params + b"}"
    message = of_caller(line)
    assert isinstance(message, Calling)
    assert message.request() == parse(line)
    assert message.request() == Request("a", "tools/call", Raw(params))


def test_params_are_given_back_however_they_were_read() -> None:
    assert raw(None) is None
    given = Raw(b'{"name": "t"}')
    assert raw(given) is given
    assert raw(DirectCall("t", Raw(b"{}"))) == Raw(b'{"name":"t","arguments":{}}')


def test_params_with_other_members_are_no_direct_call_like_any_other() -> None:
    for member in ("server", "cwd", "task", "force_reconnect", "opaque"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b'{"name":"t","%b":"x"}' % member.encode(), type=DirectCall)
