"""Which servers move, and which stay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.clients.entry import Entry
from callmux.clients.limits import Settings
from callmux.setup.found import ClientFile, Found, find_servers
from callmux.setup.judging import Verdict, admitted, forbidden, gains, verdicts


def servers(kind: str, project: str | None = None, **entries: Any) -> ClientFile:
    section = "servers" if kind == "vscode" else "mcpServers"
    if kind == "codex":
        lines = []
        for name, raw in entries.items():
            lines.append(f"[mcp_servers.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in raw.items()]
        text = "\n".join(lines)
    else:
        text = json.dumps({section: entries})
    return ClientFile(kind=kind, path=f"/{kind}{project or ''}", text=text, project=project)


def found(*files: ClientFile) -> list[Found]:
    items, problems = find_servers(files, "/h")
    assert problems == []
    return items


def reasons(judged: list[Verdict]) -> list[str | None]:
    return [item.reason for item in judged]


GIT = {"command": "git-server"}
DENY = [Settings("claude", "user", "/s", None, {"permissions": {"deny": ["mcp__git__with_dot"]}})]


def test_a_server_without_rules_moves() -> None:
    (item,) = verdicts(found(servers("claude", git=GIT)), ["claude"], [])
    assert item.reason is None


@pytest.mark.parametrize(
    ("kind", "key"), [("codex", "disabled_tools"), ("gemini", "excludeTools"), ("windsurf", "disabledTools")]
)
def test_a_denied_tool_stays_denied_where_its_client_alone_gets_callmux(kind: str, key: str) -> None:
    (item,) = verdicts(found(servers(kind, git={**GIT, key: ["push", "drop"]})), [kind], [])
    assert item.reason is None
    assert item.found.entry.denied == ("drop", "push")


def test_a_tool_that_another_client_with_callmux_does_not_deny_keeps_the_server_in_all_files() -> None:
    items = found(servers("codex", git={**GIT, "disabled_tools": ["push"]}), servers("claude", git=GIT))
    judged = verdicts(items, ["codex", "claude"], [])
    assert all('"push"' in (item.reason or "") for item in judged)
    assert reasons(verdicts(items, ["claude"], []))[1] is None
    (alone,) = verdicts(items[:1], ["codex", "claude"], [])
    assert alone.reason is not None


def test_equal_rules_of_all_clients_become_one() -> None:
    items = found(
        servers("codex", git={**GIT, "disabled_tools": ["push"]}),
        servers("gemini", git={**GIT, "excludeTools": ["push"]}),
    )
    judged = verdicts(items, ["codex", "gemini"], [])
    assert reasons(judged) == [None, None]
    assert {item.found.entry.denied for item in judged} == {("push",)}


def test_a_tool_denied_as_claude_code_shows_it_is_found_among_the_servers_tools() -> None:
    items = found(servers("claude", git=GIT))
    key = items[0].key
    (open_yet,) = verdicts(items, ["claude"], DENY)
    assert open_yet.reason is None
    (item,) = verdicts(items, ["claude"], DENY, {key: ("with.dot", "other")})
    assert (item.reason, item.found.entry.denied) == (None, ("with.dot",))
    (unknown,) = verdicts(items, ["claude"], DENY, {})
    assert "after asking the server" in (unknown.reason or "")
    (absent,) = verdicts(items, ["claude"], DENY, {key: ("other",)})
    assert (absent.reason, absent.found.entry.denied) == (None, ("with_dot",))


def test_a_rule_of_a_client_counts_for_servers_of_others_that_it_would_get() -> None:
    """Codex has the server, Claude Code denies a tool of a server of that name, and gets callmux."""
    items = found(servers("codex", git=GIT))
    (item,) = verdicts(items, ["codex", "claude"], DENY, {items[0].key: ("with.dot",)})
    assert "Claude Code denies" in (item.reason or "")
    (item,) = verdicts(items, ["codex"], DENY, {items[0].key: ("with.dot",)})
    assert item.reason is None


def test_the_same_command_under_another_name_is_the_same_server() -> None:
    items = found(servers("claude", git=GIT), servers("cursor", repo={**GIT, "disabled": True}))
    assert all(
        "switched off" in (reason or "") for reason in reasons(verdicts(items, ["claude", "cursor"], []))
    )
    assert reasons(verdicts(items, ["claude"], []))[0] is None


def test_off_everywhere_moves_as_it_is() -> None:
    items = found(
        servers("cursor", git={**GIT, "disabled": True}), servers("codex", git={**GIT, "enabled": False})
    )
    judged = verdicts(items, ["cursor", "codex"], [])
    assert reasons(judged) == [None, None]
    assert all(item.found.entry.disabled for item in judged)


def test_an_entry_with_a_sandbox_or_an_unknown_key_holds_its_equals_back() -> None:
    for more in ({"sandboxEnabled": True}, {"confineTo": "/srv"}):
        items = found(servers("vscode", git={**GIT, **more}), servers("claude", git=GIT))
        judged = verdicts(items, ["vscode", "claude"], [])
        assert None not in reasons(judged)
        assert reasons(verdicts(items, ["claude"], []))[1] is None


def test_what_only_its_client_can_do_for_one_entry_does_not_hold_others_back() -> None:
    items = found(
        servers("vscode", git={**GIT, "args": ["${workspaceFolder}"]}),
        servers("claude", git=GIT),
        servers("cursor", web={"url": "http://h", "auth": {"CLIENT_ID": "x"}}),
        servers("codex", web={"url": "http://h"}),
    )
    judged = verdicts(items, ["vscode", "claude", "cursor", "codex"], [])
    assert [reason is None for reason in reasons(judged)] == [False, True, False, True]


def test_lists_of_allowed_tools_that_differ_keep_both() -> None:
    items = found(
        servers("codex", git={**GIT, "enabled_tools": ["a"]}),
        servers("gemini", git={**GIT, "includeTools": ["a(x)"]}),
    )
    assert reasons(verdicts(items, ["codex", "gemini"], [])) == [None, None]
    items = found(servers("codex", git={**GIT, "enabled_tools": ["a"]}), servers("gemini", git=GIT))
    assert all(
        "other tools" in (reason or "") for reason in reasons(verdicts(items, ["codex", "gemini"], []))
    )


def test_what_an_organization_forbids_stays_in_every_client_that_would_give_it() -> None:
    rule = {"deniedMcpServers": [{"serverCommand": ["git-server"]}]}
    managed = [Settings("claude", "managed", "/m", None, rule)]
    items = found(servers("codex", git=GIT), servers("claude", git=GIT))
    assert all(
        "deniedMcpServers" in (reason or "")
        for reason in reasons(verdicts(items, ["codex", "claude"], managed))
    )
    assert reasons(verdicts(items, ["codex"], managed))[0] is None


def test_callmux_itself_never_moves() -> None:
    (item,) = verdicts(found(servers("claude", callmux={"command": "callmux"})), ["claude"], [])
    assert item.reason == "it is callmux itself"


def test_a_client_that_may_not_start_callmux_gets_none() -> None:
    managed = [
        Settings("claude", "managed", "/m", None, {"allowedMcpServers": [{"serverName": "git"}]}),
        Settings("gemini", "user", "/g", None, {"mcp": {"allowed": ["git"]}}),
    ]
    start = {kind: Entry(command="callmux") for kind in ("claude", "codex", "gemini")}
    kept, notes = admitted(list(start), start, managed)
    assert kept == ["codex"]
    assert [note.partition(" gets")[0] for note in notes] == ["Claude Code", "Gemini CLI"]


def test_a_rule_on_a_name_counts_even_where_the_client_has_that_server_under_another() -> None:
    ask = [Settings("claude", "user", "/s", None, {"permissions": {"ask": ["mcp__time__y"]}})]
    items = found(servers("claude", clock=GIT), servers("codex", time=GIT))
    assert None not in reasons(verdicts(items, ["claude", "codex"], ask))[1:]


def test_two_accounts_of_one_client_are_two_servers() -> None:
    items = found(
        servers("cursor", home={**GIT, "env": {"A": "1"}}, work={**GIT, "env": {"A": "2"}, "disabled": True})
    )
    judged = verdicts(items, ["cursor"], [])
    assert reasons(judged) == [None, None]
    assert [item.found.entry.disabled for item in judged] == [False, True]


def test_rules_that_allow_its_tools_are_named() -> None:
    allow = [
        Settings("claude", "user", "/s", None, {"permissions": {"allow": ["mcp__git__a", "mcp__other"]}})
    ]
    (item,) = verdicts(found(servers("claude", git=GIT)), ["claude"], allow)
    assert item.reason is None
    assert [note for note in item.found.notes if "mcp__git__a" in note]
    assert "mcp__other" not in str(item.found.notes)


def test_a_new_server_that_an_organization_forbids_is_not_added() -> None:
    managed = [Settings("claude", "managed", "/m", None, {"deniedMcpServers": [{"serverName": "git"}]})]
    new = {"git": Entry(command="g"), "web": Entry(url="http://h")}
    assert list(forbidden(new, ["codex", "claude"], managed)) == ["git"]
    assert forbidden(new, ["codex"], managed) == {}


EXISTING = {"git": {**GIT, "denyTools": ["push"]}}


@pytest.mark.parametrize(
    ("more", "gained"),
    [
        ({}, False),
        ({"disabled_tools": ["push"]}, False),
        ({"disabled_tools": ["push", "drop"]}, True),
        ({"enabled": False}, True),
        ({"enabled_tools": ["log"]}, True),
        ({"default_tools_approval_mode": "prompt"}, True),
        ({"confine_to": "/srv"}, True),
    ],
)
def test_a_client_gets_nothing_of_what_is_behind_callmux_that_it_forbids(more: Any, gained: bool) -> None:
    items = found(servers("codex", git={**GIT, **more}))
    assert (gains("codex", EXISTING, items, []) is not None) is gained
    assert gains("codex", {"git": {**GIT, "disabled": True}}, items, []) is None
    assert gains("claude", EXISTING, items, []) is None


def test_its_settings_count_as_well() -> None:
    assert gains("claude", EXISTING, [], DENY) is not None
    kept = {"git": {**GIT, "denyTools": ["with.dot"]}}
    assert gains("claude", kept, [], DENY) is None
    off = [Settings("gemini", "user", "/s", None, {"mcp": {"excluded": ["git"]}})]
    assert "mcp.excluded" in (gains("gemini", EXISTING, [], off) or "")


def test_a_new_server_of_which_a_client_forbids_something_is_not_added() -> None:
    new = {"git": Entry(command="git-server"), "web": Entry(url="http://h")}
    assert list(forbidden(new, ["claude"], DENY)) == ["git"]
    for more in ({"enabled": False}, {"disabled_tools": ["push"]}, {"enabled_tools": ["log"]}):
        items = found(servers("codex", other={**GIT, **more}))
        assert list(forbidden(new, ["codex"], [], items)) == ["git"]
        assert forbidden(new, ["claude"], [], items) == {}


def test_a_tool_excluded_by_its_bare_name_is_denied_where_the_server_has_it() -> None:
    items = found(servers("gemini", git=GIT))
    off = [Settings("gemini", "user", "/s", None, {"excludeTools": ["push", "other"]})]
    (item,) = verdicts(items, ["gemini"], off, {items[0].key: ["push", "log"]})
    assert (item.reason, item.found.entry.denied) == (None, ("push",))
    (unasked,) = verdicts(items, ["gemini"], off, {})
    assert "can only be said after asking the server" in (unasked.reason or "")
