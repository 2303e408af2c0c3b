"""A request that goes on with another one says which process has that."""

from __future__ import annotations

import pytest

from callmux.nodes.waiting import process_of
from callmux.session.modern.parking import PROCESS_CHARS

PROCESS = "0123456789abcdef"


def test_the_state_begins_with_the_process() -> None:
    assert len(PROCESS) == PROCESS_CHARS
    body = b'{"id":1,"method":"tools/call","params":{"name":"t","requestState":"%b.more.seal"}}'
    assert process_of(body % PROCESS.encode()) == PROCESS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"params":{"name":"t"}}',
        b'{"params":{"arguments":{"requestState":"0123456789abcdef"}}}',
        b'{"params":{"requestState":5}}',
        b'{"params":["requestState"]}',
        b'"requestState',
        b'{"requestState":"\xff"}',
        b'"requestState"' + b"[" * 100_000,
    ],
)
def test_what_begins_something_or_is_nothing_has_none(body: bytes) -> None:
    assert process_of(body) == ""
