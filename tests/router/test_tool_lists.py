"""What clients are listed: by what they declare, by their names, by their rights, and each list once."""

from __future__ import annotations

import json

import pytest

from callmux.config.check import check_document
from callmux.guard.rights import Permissions
from callmux.metatools.meta_tool import META_TOOLS, definitions
from callmux.router.listing import View
from tests.router.test_router import UI, Desk


@pytest.mark.parametrize(
    ("capabilities", "name", "how", "expected"),
    [
        (b"{}", None, {}, View(apps=False)),
        (UI, "x", {}, View(apps=True)),
        (b'{"extensions":{"x":{}}}', "x", {}, View(apps=False)),
        (b"{}", None, {"plain": True}, View(apps=True)),
        (b"{}", "claude-code", {}, View(apps=False, eager=True)),
        (UI, "claude-code", {"eager": False}, View(apps=True)),
        (b"{}", "Claude Code", {}, View(apps=False)),
    ],
)
def test_what_a_client_declares_decides_what_it_is_shown(
    capabilities: bytes, name: str | None, how: dict[str, bool], expected: View
) -> None:
    desk = Desk(**how)
    assert desk.lists.view(capabilities, name) == expected


def given_to(desk: Desk, client: str) -> dict[str, bool]:
    """The meta-tools that a client is listed, and whether each asks not to be put aside."""
    listing = desk.lists.current_listing(desk.lists.view(b"{}", client))
    return {
        tool["name"]: "_meta" in tool for tool in json.loads(listing)["tools"] if "__" not in tool["name"]
    }


def test_the_persona_of_a_profile_goes_before_the_global_one() -> None:
    document = {
        "servers": {"a": {"command": "x"}},
        "profiles": {
            "ci": {"persona": "code"},
            "free": {"persona": "none"},
            "auto": {"persona": "auto"},
            "x": {},
        },
    }
    made = Permissions(check_document(document).config, authorized=False)

    def persona(desk: Desk, client: str, profile: str) -> str | None:
        found = desk.lists.view(b"{}", client, made.of(None, profile)).persona
        return None if found is None else found.name

    without, codex = Desk(), Desk(persona="codex")
    assert persona(without, "any", "ci") == persona(codex, "any", "ci") == "code"
    assert persona(codex, "any", "free") is persona(without, "any", "x") is None
    assert persona(without, "claude-code", "auto") == persona(codex, "claude-code", "auto") == "claude-code"
    assert persona(codex, "claude-code", "x") == persona(codex, "claude-code", "") == "codex"


def test_each_view_is_kept_until_the_tools_change() -> None:
    desk = Desk()
    eager = View(eager=True)
    first, second = desk.lists.current_listing(), desk.lists.current_listing(eager)
    assert b"alwaysLoad" not in first
    assert b"alwaysLoad" in second
    assert (desk.lists.current_listing(), desk.lists.current_listing(eager)) == (first, second)
    desk.tools = ["u"]
    desk.index = desk.rebuilt()
    assert b"a__u" in desk.lists.current_listing(eager)


def test_the_listing_follows_the_catalogue() -> None:
    """The same bytes as long as nothing changes."""
    desk = Desk()
    assert desk.listed() == ["a__t", "b__t", "callmux_status"]
    assert desk.lists.current_listing() is desk.lists.current_listing()
    desk.tools.append("new")
    desk.index = desk.rebuilt()
    assert desk.listed() == ["a__t", "a__new", "b__t", "b__new", "callmux_status"]


def test_without_a_persona_every_client_is_listed_the_same() -> None:
    desk = Desk(meta=definitions())
    assert list(given_to(desk, "codex-mcp-client")) == list(META_TOOLS)
    assert set(given_to(desk, "claude-code").values()) == {True}


def test_a_client_with_a_search_of_its_own_is_listed_no_second_one_beside_the_servers_tools() -> None:
    listed = given_to(Desk(meta=definitions(), persona="auto"), "claude-code")
    assert "callmux_search_tools" not in listed
    assert "callmux_search_tools" in given_to(
        Desk(proxied=False, meta=definitions(), persona="auto"), "claude-code"
    )


def test_a_persona_shortens_what_its_client_is_listed_and_nothing_of_what_can_be_called() -> None:
    desk = Desk(proxied=False, meta=definitions(), persona="auto")
    few = {"callmux_search_tools": False, "callmux_get_result": False, "callmux_call": False}
    assert given_to(desk, "codex-mcp-client") == few
    assert list(given_to(desk, "another")) == list(META_TOOLS)
    claude = given_to(desk, "claude-code")
    assert list(claude) == list(META_TOOLS)
    assert claude["callmux_call"]
    assert not claude["callmux_status"]
    for name in META_TOOLS:
        said = json.dumps(desk.call(json.dumps({"name": name, "arguments": {}}).encode()))
        assert "tool_not_found" not in said, name
