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


def tool(**properties: Any) -> bytes:
    return json.dumps({"name": "x", "inputSchema": {"type": "object", "properties": properties}}).encode()


REGION = {"type": "string", "x-mcp-header": "Region"}


def mirrors(definition: bytes, arguments: Any, **headers: str) -> int | None:
    """The code of the refusal, if any."""
    given = {f"mcp-param-{name.lower()}": value for name, value in headers.items()}
    params = Raw(json.dumps({"name": "x", "arguments": arguments}).encode())
    try:
        routing.check_arguments(given, definition, params)
    except RpcError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("arguments", "headers", "agree"),
    [
        ({"region": "us"}, {"Region": "us"}, True),
        ({"region": "us"}, {"Region": wrapped("us")}, True),
        ({"region": "é "}, {"Region": wrapped("é ")}, True),
        ({"region": "us"}, {"Region": " us\t"}, True),
        ({"region": "us"}, {}, False),
        ({"region": "us"}, {"Region": "eu"}, False),
        ({"region": "us"}, {"Region": "=?base64?dXM?="}, False),
        ({"region": "us"}, {"Region": "us", "Other": "x"}, True),
        ({}, {"Region": "us"}, False),
        ({}, {}, True),
        ({"region": None}, {}, True),
        (None, {}, True),
        ({"region": ["us"]}, {}, True),
    ],
)
def test_arguments_that_stand_in_headers_are_the_same_there(
    arguments: Any, headers: dict[str, str], agree: bool
) -> None:
    assert mirrors(tool(region=REGION), arguments, **headers) == (None if agree else -32020)


@pytest.mark.parametrize(
    ("value", "header", "agree"),
    [
        (42, "42", True),
        (42, "42.0", True),
        (42.0, "42", True),
        (10**30, str(10**30), True),
        (42, "43", False),
        (42, "42.5", False),
        (42, "x", False),
        (True, "true", True),
        (True, "True", False),
        (1, "true", False),
    ],
)
def test_numbers_and_flags_are_compared_as_what_they_are(value: Any, header: str, agree: bool) -> None:
    kind = "boolean" if isinstance(value, bool) else "integer"
    definition = tool(n={"type": kind, "x-mcp-header": "N"})
    assert mirrors(definition, {"n": value}, N=header) == (None if agree else -32020)


def test_a_tool_that_wants_nothing_or_something_impossible_is_not_looked_at() -> None:
    assert mirrors(tool(region={"type": "string"}), {"region": "us"}) is None
    assert mirrors(tool(region={**REGION, "type": "array"}), {"region": "us"}) is None
    nested = {"type": "object", "properties": {"region": REGION}}
    assert mirrors(tool(where=nested), {"where": {"region": "us"}}) == -32020
    assert mirrors(tool(where=nested), {"where": {"region": "us"}}, Region="us") is None


def test_a_number_that_nobody_can_hold_is_no_other_one() -> None:
    definition = tool(n={"type": "integer", "x-mcp-header": "N"})
    params = Raw(b'{"name":"x","arguments":{"n":1e99999999999999999999}}')
    with pytest.raises(RpcError):
        routing.check_arguments({"mcp-param-n": "1"}, definition, params)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_a_task_that_a_header_names_is_that_of_the_body(method: str) -> None:
    good = {**GOOD, "mcp-method": method, "mcp-name": "t"}
    check(good, method, taskId="t")
    check(good, method, taskId=5)
    check({name: value for name, value in good.items() if name != "mcp-name"}, method, taskId="t")
    with pytest.raises(RpcError) as caught:
        check({**good, "mcp-name": "u"}, method, taskId="t")
    assert caught.value.code == -32020
