"""What MCP Apps say in `_meta` is read however it is spelled, and changed only where it must be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.apps import NONE, linkage, relinked, shown_by


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("meta", "pages"),
    [
        ({"ui": {"resourceUri": "ui://a"}}, ("ui://a",)),
        ({"ui/resourceUri": "ui://a"}, ("ui://a",)),
        ({"openai/outputTemplate": "ui://a"}, ("ui://a",)),
        ({"ui": {"resourceUri": "ui://a"}, "ui/resourceUri": "ui://a"}, ("ui://a",)),
        ({"ui": {"resourceUri": "ui://a"}, "openai/outputTemplate": "ui://b"}, ("ui://a", "ui://b")),
        ({"ui": {"resourceUri": 5}, "ui/resourceUri": None}, ()),
        ({"ui": "ui://a"}, ()),
        ({}, ()),
        ([], ()),
        (None, ()),
    ],
)
def test_the_pages_of_a_tool(meta: Any, pages: tuple[str, ...]) -> None:
    assert linkage(raw(meta)).pages == pages


@pytest.mark.parametrize(
    ("meta", "for_model"),
    [
        ({"ui": {"visibility": ["app"]}}, False),
        ({"ui": {"visibility": "app"}}, False),
        ({"ui": {"visibility": []}}, False),
        ({"ui": {"visibility": ["model"]}}, True),
        ({"ui": {"visibility": ["app", "model"]}}, True),
        ({"ui": {"visibility": "model"}}, True),
        ({"ui": {"visibility": None}}, True),
        ({"ui": {"visibility": 5}}, True),
        ({"ui": {}}, True),
        ({"openai/visibility": "private"}, False),
        ({"openai/visibility": "public"}, True),
        ({"openai/visibility": "private", "ui": {"visibility": ["model"]}}, True),
        ({}, True),
    ],
)
def test_who_may_see_a_tool(meta: Any, for_model: bool) -> None:
    """Both model and app, where nothing is said."""
    assert linkage(raw(meta)).for_model is for_model


def test_most_tools_say_nothing() -> None:
    assert linkage(None) is NONE
    assert linkage(raw({"x": 1})) is NONE


def test_addresses_are_exchanged_and_all_else_stays() -> None:
    def renamed(uri: str) -> str:
        return {"ui://a": "ui://callmux/s/a"}.get(uri, uri)

    meta = b'{"x": 1.50, "ui": {"visibility": ["app" ], "resourceUri": "ui://a"}, "ui/resourceUri": "ui://b"}'
    assert relinked(Raw(meta), renamed) == Raw(
        b'{"x":1.50,"ui":{"visibility":["app" ],"resourceUri":"ui://callmux/s/a"},"ui/resourceUri":"ui://b"}'
    )
    for key in ("ui/resourceUri", "openai/outputTemplate"):
        assert json.loads(bytes(relinked(raw({key: "ui://a"}), renamed) or b"")) == {key: "ui://callmux/s/a"}


@pytest.mark.parametrize(
    "meta", [None, {}, [], {"ui": {"resourceUri": "ui://b"}}, {"ui": None}, {"ui/resourceUri": 5}]
)
def test_meta_without_such_an_address_stays(meta: Any) -> None:
    assert relinked(raw(meta), lambda uri: "x" if uri == "ui://a" else uri) is None
    assert relinked(None, lambda uri: "x") is None


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": []}}}, True),
        ({"extensions": {"io.modelcontextprotocol/tasks": {}}}, False),
        ({"extensions": None}, False),
        ({"io.modelcontextprotocol/ui": {}}, False),
        ({}, False),
    ],
)
def test_who_can_show_apps(capabilities: Any, expected: bool) -> None:
    assert shown_by(bytes(raw(capabilities))) is expected


@pytest.mark.parametrize("visibility", [b"1e999", b"7", b"{}", b"null"])
def test_a_visibility_that_says_nothing_hides_nothing(visibility: bytes) -> None:
    assert linkage(Raw(b'{"ui":{"resourceUri":"ui://a","visibility":%b}}' % visibility)).for_model
