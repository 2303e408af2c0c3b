"""A plain call of a revision without a handshake, read in one step, or left to others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.calling import Calling, DirectCall
from callmux.protocol.modern import Asked
from callmux.protocol.modern_call import MOST_META_BYTES, About, of_caller

META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "n"},
}
ASKED = Asked("2026-07-28", b'{"roots": {}}', "n")


def _body(meta: Any = META, **params: Any) -> bytes:
    given = {"name": "t", "arguments": {"x": 1.50}, "_meta": meta, **params}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given}).encode()


def test_it_is_read_without_what_the_revision_adds() -> None:
    found = of_caller(_body(), "t")
    assert found is not None
    calling, about = found
    assert calling == Calling(1, "tools/call", DirectCall("t", Raw(b'{"x": 1.5}')))
    assert about.asked == ASKED
    # The second time from memory, or as before.
    assert of_caller(_body(), "t") == found
    again = of_caller(_body(), "t", about)
    assert again == found
    assert again[1] is about


def test_it_may_be_in_any_script() -> None:
    body = _body().replace(b'"x"', '"\u00e4\U0001f600"'.encode())
    found = of_caller(body, "t")
    assert found is not None
    assert found[0].params.arguments == Raw('{"\u00e4\U0001f600": 1.5}'.encode())
    assert of_caller(_body().replace(b'"x"', b'"\xff"'), "t") is None


def test_what_a_request_says_is_never_taken_from_another_one() -> None:
    found = of_caller(_body(), "t")
    assert found is not None
    other = of_caller(_body({**META, "io.modelcontextprotocol/clientInfo": {"name": "m"}}), "t", found[1])
    assert other is not None
    assert other[1].asked.client_name == "m"
    kept_none = About(Asked("2026-07-28", b"{}"))
    assert of_caller(_body(None), "t", kept_none) is None
    assert of_caller(_body({}), "t", found[1]) is None


def test_what_else_stands_in_its_meta_stays() -> None:
    found = of_caller(_body({**META, "progressToken": 7}), "t")
    assert found is not None
    assert found[0].params.meta == Raw(b'{"progressToken":7}')
    long = of_caller(_body({**META, "x": "y" * MOST_META_BYTES}), "t")
    assert long is not None
    assert (long[1].asked, len(bytes(long[0].params.meta or b""))) == (ASKED, MOST_META_BYTES + 8)


COUNTED: list[dict[str, Any]] = [
    {**META, "progressToken": 7},
    {"progressToken": 7, **META},
    {"a": 1, **META, "progressToken": 7, "b": {"progressTokens": 8}},
]


@pytest.mark.parametrize("meta", COUNTED)
@pytest.mark.parametrize("number", [0, 8, 12345, 999_999_999_999_999])
def test_a_token_that_counts_up_says_nothing_else_of_its_request(meta: dict[str, Any], number: int) -> None:
    first = of_caller(_body(meta), "t")
    assert first is not None
    assert first[1].around is not None
    body = _body({**meta, "progressToken": number})
    found = of_caller(body, "t", first[1])
    assert found is not None
    assert found[1] is first[1]
    plain = of_caller(body, "t")
    assert plain is not None
    assert (found[0], found[1].asked) == (plain[0], plain[1].asked)
    # What comes without one has none.
    without = of_caller(_body(), "t", first[1])
    assert without is not None
    assert without[0].params.meta is None


@pytest.mark.parametrize(
    "token", ["8", 8.5, -8, None, True, [8], 1_000_000_000_000_000, {"progressToken": 8}]
)
def test_any_other_token_is_read_anew(token: Any) -> None:
    first = of_caller(_body({**META, "progressToken": 7}), "t")
    assert first is not None
    body = _body({**META, "progressToken": token})
    found = of_caller(body, "t", first[1])
    assert found == of_caller(body, "t")
    assert found is not None
    assert found[1] is not first[1]


@pytest.mark.parametrize(
    "meta",
    [
        b'{%b,"x":{"progressToken":7}}',
        b'{%b,"x":"\\\\","progressToken":7,"progressToken":8}',
        rb'{%b,"x":"\"progressToken\":7,"}',
        b'{%b,"progressToken":7,"progressToken":7}',
        b'{%b,"progressToken":7,"x":{"progressToken":7}}',
        rb'{%b,"progressToken":7,"progress\u0054oken":9}',
        b'{%b,"progressToken":"7"}',
        b"{%b}",
    ],
)
def test_a_token_is_only_known_where_it_is_certain_which_it_is(meta: bytes) -> None:
    whole = meta % json.dumps(META).encode()[1:-1]
    body = b'{"id":1,"method":"tools/call","params":{"name":"t","_meta":%b}}' % whole
    found = of_caller(body, "t")
    assert found is None or found[1].around is None


def test_a_call_without_arguments_has_none() -> None:
    body = b'{"id":"a","method":"tools/call","params":{"name":"t","_meta":%b}}' % json.dumps(META).encode()
    found = of_caller(body, "t")
    assert found is not None
    assert found[0] == Calling("a", "tools/call", DirectCall("t"))


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        _body().replace(b'"t"', b'"u"'),
        _body().replace(b'"t"', '"é"'.encode()),
        _body().replace(b'"id": 1', b'"id": null'),
        _body().replace(b"tools/call", b"tools/list"),
        _body().replace(b'"_meta"', b'"meta"'),
        _body().replace(b'"jsonrpc"', b'"more"'),
        _body(requestState="s"),
        _body(inputResponses={}),
        _body({}),
        _body({**META, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}),
        _body({**META, "io.modelcontextprotocol/clientCapabilities": 1}),
        _body({**META, "io.modelcontextprotocol/logLevel": "loud"}),
        b'{"id":1,"method":"tools/call","params":{"name":"t"}}',
    ],
)
def test_anything_else_is_left_to_others(body: bytes) -> None:
    assert of_caller(body, "t") is None


@pytest.mark.parametrize("place", ["arguments", "_meta"])
def test_what_is_nested_too_deeply_is_left_to_others(place: str) -> None:
    nested: Any = 1
    for _ in range(126):
        nested = [nested]
    given = {"arguments": {"x": nested}} if place == "arguments" else {"_meta": {**META, "x": nested}}
    assert of_caller(_body(**given), "t") is None
    flat = {"arguments": {"x": "[" * 300}} if place == "arguments" else {"_meta": {**META, "x": "[" * 300}}
    assert of_caller(_body(**flat), "t") is not None
