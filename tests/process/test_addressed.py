"""The servers of a call are known before it is carried out."""

from __future__ import annotations

import pytest

from callmux.process.addressed import addressed

CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b}'
LIST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def servers(params: object) -> list[str]:
    """Stands for the router: a call's params are the names of its servers."""
    return bytes(params).decode().strip('"').split()  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (CALL % b'"a"', ["a"]),
        (b"[%b,%b,%b]" % (CALL % b'"a b"', LIST, CALL % b'"c"'), ["a", "b", "c"]),
        (LIST, []),
        (b"[]", []),
        (b"nonsense", []),
        (b'{"jsonrpc":"2.0","method":"tools/call","params":"a"}', []),
    ],
)
def test_only_tool_calls_have_servers_alone_or_in_a_batch(body: bytes, found: list[str]) -> None:
    assert addressed(body, servers) == found
