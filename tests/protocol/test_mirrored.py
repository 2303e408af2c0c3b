"""What stands in headers beside a body."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.protocol import mirrored


def tool(schema: Any) -> bytes:
    return json.dumps({"name": "t", "inputSchema": schema}).encode()


def annotated(name: Any = "Region", kind: Any = "string") -> dict[str, Any]:
    return {"type": kind, "x-mcp-header": name}


def decoded(value: str) -> str:
    if value.startswith("=?base64?") and value.endswith("?="):
        return base64.b64decode(value[9:-2]).decode("utf-8", "surrogatepass")
    return value


@pytest.mark.parametrize(
    ("method", "target", "head"),
    [
        ("tools/call", "a", {"Mcp-Method": "tools/call", "Mcp-Name": "a"}),
        ("resources/read", "file:///a", {"Mcp-Method": "resources/read", "Mcp-Name": "file:///a"}),
        ("tasks/get", "7", {"Mcp-Method": "tasks/get", "Mcp-Name": "7"}),
        ("tools/list", None, {"Mcp-Method": "tools/list"}),
        ("completion/complete", "x", {"Mcp-Method": "completion/complete"}),
    ],
)
def test_a_request_is_named(method: str, target: str | None, head: Any) -> None:
    revision = {"MCP-Protocol-Version": "2026-07-28"}
    assert mirrored.head("2026-07-28", method, target) == {**revision, **head}


@pytest.mark.parametrize("plain", ["us-west1", "a b", "a\tb", "", "x"])
def test_what_a_header_can_say_it_says(plain: str) -> None:
    assert mirrored.encoded(plain) == plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
    ],
)
def test_the_examples_of_the_specification(text: str, value: str) -> None:
    assert mirrored.encoded(text) == value


@given(st.text())
def test_every_text_can_be_had_back_from_its_header(text: str) -> None:
    value = mirrored.encoded(text)
    assert value.isascii()
    assert not set(value) & set("\r\n\0")
    assert value == value.strip()
    assert decoded(value) == text


def test_arguments_are_found_by_their_way() -> None:
    headers = mirrored.mirrored(
        tool(
            {
                "properties": {
                    "region": annotated(),
                    "deep": {"properties": {"count": annotated("Count", "integer")}},
                    "flag": annotated("Flag", "boolean"),
                    "x-mcp-header": {"type": "string", "anyOf": [{"minLength": 1}, True]},
                },
                "$defs": {"other": {}},
            }
        )
    )
    assert headers == {("region",): "Region", ("deep", "count"): "Count", ("flag",): "Flag"}
    sent = mirrored.of_arguments(b'{"region":"\\u00fc","deep":{"count":42},"flag":true}', headers)
    assert sent == {"Mcp-Param-Region": "=?base64?w7w=?=", "Mcp-Param-Count": "42", "Mcp-Param-Flag": "true"}


@pytest.mark.parametrize("arguments", [b"{}", b'{"a":null}', b'{"a":{}}', b'{"a":[1]}', None])
def test_what_has_no_plain_value_has_no_header(arguments: bytes | None) -> None:
    assert mirrored.of_arguments(arguments, {("a",): "A", ("a", "b"): "B"}) == {}


@pytest.mark.parametrize("definition", [b'{"name":"t"}', b'{"name":"t","description":"\\n"}'])
def test_most_tools_have_no_headers(definition: bytes) -> None:
    assert mirrored.mirrored(definition) == {}


def test_what_only_looks_like_an_annotation_is_none() -> None:
    schema = {
        "properties": {"a": {"type": "string", "enum": [{"x-mcp-header": "A"}], "default": annotated()}}
    }
    assert mirrored.mirrored(tool(schema)) == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": annotated("")}},
        {"properties": {"a": annotated("a b")}},
        {"properties": {"a": annotated("a\r\nX-Evil: 1")}},
        {"properties": {"a": annotated(5)}},
        {"properties": {"a": annotated("A", "number")}},
        {"properties": {"a": annotated("A", None)}},
        {"properties": {"a": annotated("A", ["string", "null"])}},
        {"properties": {"a": annotated("A"), "b": annotated("a")}},
        {"properties": {"a": {"items": annotated()}}},
        {"anyOf": [{"properties": {"a": annotated()}}]},
        {"$defs": {"a": annotated()}},
        {"$defs": [annotated()]},
        {"properties": [annotated()]},
        {"if": {"properties": {"a": annotated()}}},
        {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": annotated()}},
        annotated(),
    ],
)
def test_a_tool_whose_annotation_may_not_be_followed_is_refused(schema: Any) -> None:
    with pytest.raises(ValueError, match="x-mcp-header"):
        mirrored.mirrored(tool(schema))
