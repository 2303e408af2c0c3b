"""What the client has been shown, whether it changed, and what may be repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.bridge.listings import Listings, cursor_of, next_cursor, uri_of
from callmux.plan import Plan, ToolCall


def page(*tools: Any, **more: Any) -> bytes:
    return json.dumps({"tools": list(tools), **more}).encode()


A = {"name": "s__a", "annotations": {"readOnlyHint": True}}
B = {"name": "s__b", "annotations": {"idempotentHint": True}}
C = {"name": "s__c", "annotations": {"readOnlyHint": "yes"}}
D = {"name": "plain", "annotations": None}


def test_the_last_page_is_kept_and_an_unknown_one_is_empty() -> None:
    listings = Listings()
    assert listings.last("prompts/list", None) == b'{"prompts":[]}'
    listings.saw("tools/list", None, page(A, nextCursor="2"))
    listings.saw("tools/list", Raw(b'{"cursor":"2"}'), page(B))
    assert json.loads(listings.last("tools/list", Raw(b'{"cursor":"2"}')))["tools"] == [B]
    assert (listings.listed(), listings.pages("tools/list")) == (["tools/list"], 2)
    listings.saw("tools/list", Raw(b"{}"), page(A))
    assert listings.pages("tools/list") == 1


def test_a_change_is_told_once() -> None:
    """Order is no matter, neither of the tools nor of their members."""
    listings = Listings()
    listings.saw("tools/list", None, page(A, B))
    assert not listings.changed("tools/list", [page(dict(reversed(B.items()))), page(A)])
    assert listings.changed("tools/list", [page(A)])
    assert not listings.changed("tools/list", [page(A)])
    assert listings.changed("tools/list", [page(C)])
    listings.saw("tools/list", None, page(C))
    assert listings.changed("tools/list", [page(A)])
    assert listings.changed("tools/list", [b'{"tools":5}'])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("s__a", True),
        ("s__b", True),
        ("s__c", False),
        ("plain", False),
        ("none", False),
        ("callmux_status", True),
    ],
)
def test_a_tool_that_says_so_may_be_repeated(name: str, safe: bool) -> None:
    listings = Listings()
    assert not listings.knows_tools()
    listings.saw("tools/list", None, page(A, B, C, D, {"no": "name"}))
    assert listings.knows_tools()
    assert listings.is_safe(name, None) is safe


@pytest.mark.parametrize(
    ("calls", "safe"),
    [
        ([ToolCall(spelling="a", server="s")], True),
        ([ToolCall(spelling="s__a"), ToolCall(spelling="b")], True),
        ([ToolCall(spelling="a"), ToolCall(spelling="c")], False),
        ([ToolCall(spelling="a", server="other")], False),
        ([ToolCall(spelling="zzz")], False),
        ([], False),
    ],
)
def test_a_fan_out_may_be_repeated_if_every_call_in_it_may(calls: list[ToolCall], safe: bool) -> None:
    """Calls may name their tool in any of the ways the listener takes."""
    listings = Listings()
    listings.learn(page(A, B, C, D))
    assert listings.is_safe("callmux_parallel", Plan(name="callmux_parallel", calls=calls)) is safe


def test_what_cannot_be_read_is_safe_for_nobody() -> None:
    listings = Listings()
    listings.learn(b'{"tools":7}')
    assert not listings.is_safe("s__a", None)


def test_cursors() -> None:
    assert next_cursor(b'{"nextCursor":"x"}') == "x"
    assert next_cursor(b'{"nextCursor":null}') is None
    assert next_cursor(b'{"nextCursor":5}') is None
    assert cursor_of(None) is None
    assert cursor_of(b'{"cursor":null}') is None
    assert cursor_of(b'{"cursor":"x"}') == b'"x"'


def test_a_page_of_a_stored_result_is_harmless_by_whatever_tool_it_is_asked_for() -> None:
    assert Listings().is_safe("callmux_call", Plan(name="callmux_get_result"))
    assert not Listings().is_safe("callmux_call", Plan(name="callmux_call", calls=(ToolCall(spelling="a"),)))


def test_a_list_that_was_refused_is_shown_no_more() -> None:
    """The rights of a client may end while its bridge goes on."""
    kept = Listings()
    kept.saw("tools/list", None, b'{"tools":[{"name":"a","annotations":{"readOnlyHint":true}}]}')
    assert kept.has("tools/list")
    kept.forget("tools/list")
    assert kept.last("tools/list", None) == b'{"tools":[]}'
    assert not kept.has("tools/list")
    assert not kept.knows_tools()


def test_a_list_that_was_made_up_is_shown_and_no_listeners() -> None:
    """While the listener is away the client is given an empty first list."""
    kept = Listings()
    kept.saw("prompts/list", None, b'{"prompts":[]}', genuine=False)
    assert not kept.has("prompts/list")
    assert kept.pages("prompts/list") == 1
    kept.saw("prompts/list", None, b'{"prompts":[{"name":"p"}]}')
    assert kept.has("prompts/list")
    kept.forget("prompts/list")
    assert not kept.has("prompts/list")


@pytest.mark.parametrize(("params", "uri"), [(b'{"uri":"x://y"}', "x://y"), (b"{}", ""), (b'{"uri":1}', "")])
def test_the_resource_of_a_subscription_is_read(params: bytes, uri: str) -> None:
    assert uri_of(Raw(params)) == uri
