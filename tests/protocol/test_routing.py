"""Headers that must say what the body says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.protocol import routing
from callmux.protocol.jsonrpc import RpcError

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
GOOD = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "x"}


def check(headers: dict[str, str], method: str = "tools/call", **params: Any) -> None:
    given = {"name": "x", "_meta": META, **params}
    routing.check(headers, method, Raw(json.dumps(given).encode()))


def wrapped(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def test_headers_that_agree_are_taken_with_space_around_them() -> None:
    check(GOOD)
    check({name: f" \t{value} " for name, value in GOOD.items()})
    check({**GOOD, "mcp-name": wrapped("x")})
    check({**GOOD, "mcp-method": "tools/list"}, "tools/list")
    check({**GOOD, "mcp-method": "resources/read", "mcp-name": "a:b"}, "resources/read", uri="a:b")


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize("value", [None, "other", "X", "=?base64?eA?=", "é", ""])
def test_headers_that_do_not_agree_are_refused(name: str, value: str | None) -> None:
    headers = {**GOOD, name: value}
    with pytest.raises(RpcError) as caught:
        check({key: one for key, one in headers.items() if one is not None})
    assert caught.value.code == -32020
    assert name in caught.value.message.lower()


@pytest.mark.parametrize("params", [None, {}, {"_meta": {}}, {"_meta": {**META, "x": 1}, "name": 5}])
def test_what_the_body_lacks_is_for_others_to_say(params: Any) -> None:
    headers = GOOD if params and "name" in params else {}
    routing.check(headers, "tools/call", None if params is None else Raw(json.dumps(params).encode()))


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_can_stand_in_a_header(text: str) -> None:
    assert routing.decoded(wrapped(text)) == text


@pytest.mark.parametrize("value", ["=?base64?!?=", "=?base64?eB==?=", "=?base64?/w==?=", "a\x7f", "a\n"])
def test_what_stands_for_no_text_is_none(value: str) -> None:
    assert routing.decoded(value) is None
    assert routing.decoded("=?base64?=") == "=?base64?="
