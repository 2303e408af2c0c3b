"""One door for all clients: only our own entry is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.clients.editing import (
    attach,
    detach,
    entry_of,
    flavour_of,
    has_poor_path,
    node_entries,
    reload_hint,
    sections,
    status,
    title,
    upgrade,
)
from callmux.clients.entry import ClientFileError, Entry

ENTRY = Entry(command="callmux", args=("--config", "/new"))
JSON_KINDS = ("claude", "claude-desktop", "cursor", "vscode", "windsurf", "gemini", "generic")


def nothing_known(name: str, raw: Any) -> bool:
    return False


def file(kind: str, raw: dict[str, Any]) -> str:
    if kind == "codex":
        lines = [f"{key} = {json.dumps(value)}" for key, value in raw.items()]
        return "\n".join(["[mcp_servers.callmux]", *lines, ""])
    return json.dumps({"servers" if kind == "vscode" else "mcpServers": {"callmux": raw}})


@pytest.mark.parametrize("kind", ["codex", *JSON_KINDS])
def test_a_foreign_entry_of_that_name_is_never_touched(kind: str) -> None:
    """The original overwrites and deletes it for Claude Code. Weak spot C8 of callmux (npm)."""
    text = file(kind, {"command": "mine", "args": ["x"]})
    with pytest.raises(ClientFileError, match=r"--name"):
        attach(kind, text, "callmux", ENTRY, nothing_known)
    with pytest.raises(ClientFileError, match="refusing to remove"):
        detach(kind, text, "callmux", nothing_known)


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_a_file_without_our_entry_gets_it_and_loses_it_again(kind: str) -> None:
    section = "servers" if kind == "vscode" else "mcpServers"
    text = json.dumps({"theme": "dark", section: {"theirs": {"command": "t"}}}, indent=2)
    new = attach(kind, text, "callmux", ENTRY, nothing_known)
    assert new.note is None
    assert list(json.loads(new.text)[section]) == ["theirs", "callmux"]
    assert status(kind, new.text, "callmux", ENTRY).configured
    assert json.loads(detach(kind, new.text, "callmux", nothing_known).text) == json.loads(text)


@pytest.mark.parametrize("kind", JSON_KINDS)
def test_an_entry_that_runs_callmux_is_ours(kind: str) -> None:
    text = file(kind, {"command": "/opt/callmux", "args": ["--config", "/old"], "timeout": 5})
    new = attach(kind, text, "callmux", ENTRY, nothing_known)
    assert '"/new"' in new.text
    assert '"timeout": 5' in new.text
    assert attach(kind, new.text, "callmux", ENTRY, nothing_known).text == new.text
    assert "callmux" not in detach(kind, new.text, "callmux", nothing_known).text


@pytest.mark.parametrize("kind", ["codex", "claude", "cursor"])
def test_an_entry_for_the_node_version_is_replaced_and_it_is_said(kind: str) -> None:
    text = file(kind, {"command": "npx", "args": ["-y", "callmux"]})
    assert "Node" in (status(kind, text, "callmux", ENTRY).details or "")
    edit = attach(kind, text, "callmux", ENTRY, nothing_known)
    assert "npx" not in edit.text
    assert "Node" in (edit.note or "")
    assert status(kind, edit.text, "callmux", ENTRY).configured
    assert "npx" not in detach(kind, text, "callmux", nothing_known).text


def test_an_address_that_we_wrote_is_ours_and_another_is_not() -> None:
    text = file("claude", {"type": "http", "url": "https://mux.example/mcp"})
    with pytest.raises(ClientFileError, match="left alone"):
        attach("claude", text, "callmux", ENTRY, nothing_known)
    assert "/new" in attach("claude", text, "callmux", ENTRY, lambda name, raw: True).text
    local = file("claude", {"url": "http://localhost:4860/mcp"})
    assert "/new" in attach("claude", local, "callmux", ENTRY, nothing_known).text


@pytest.mark.parametrize(
    ("kind", "text", "word"),
    [
        ("claude", "", "absent"),
        ("claude", "{", "invalid"),
        ("claude", "[]", "invalid"),
        ("claude", '{"mcpServers": 1}', "invalid"),
        ("claude", '{"mcpServers": {"callmux": {"command": "x"}}}', "different_entry"),
        ("claude", '{"mcpServers": {"callmux": {"command": "callmux"}}}', "different_entry"),
        ("claude", file("claude", {"args": ["--config", "/new"], "command": "callmux"}), "configured"),
        ("codex", "", "absent"),
        ("codex", "[", "invalid"),
        ("codex", '[mcp_servers."callmux"]\ncommand = "x"', "unmanaged_entry"),
        ("codex", attach("codex", "", "callmux", ENTRY, nothing_known).text, "configured_managed"),
        ("codex", attach("codex", "", "callmux", Entry(command="y"), nothing_known).text, "managed_mismatch"),
    ],
)
def test_the_status_says_how_the_entry_stands(kind: str, text: str, word: str) -> None:
    found = status(kind, text, "callmux", ENTRY)
    assert found.word == word
    assert found.configured is word.startswith("configured")


def test_callmux_under_another_name_is_pointed_at() -> None:
    text = '{"mcpServers": {"mux": {"command": "npx", "args": ["callmux"]}}}'
    assert "mux" in (status("claude", text, "callmux", ENTRY).details or "")


BRIDGE = Entry(command="callmux", args=("bridge", "--url", "u"))
REMOTE = Entry(url="https://mux.example/mcp")


@pytest.mark.parametrize(
    ("kind", "entry", "wanted", "known", "word"),
    [
        ("claude", BRIDGE, ENTRY, False, "configured"),
        ("claude", Entry(command="callmux"), BRIDGE, False, "configured"),
        ("codex", BRIDGE, ENTRY, False, "configured_managed"),
        ("claude", Entry(command="callmux", args=("doctor",)), ENTRY, False, "different_entry"),
        ("claude", Entry(command="/opt/callmux"), ENTRY, False, "different_entry"),
        ("claude", Entry(command="npx", args=("-y", "callmux")), ENTRY, False, "different_entry"),
        ("claude", ENTRY, Entry(command="other"), False, "different_entry"),
        ("claude", REMOTE, ENTRY, True, "configured"),
        ("claude", REMOTE, ENTRY, False, "different_entry"),
    ],
)
def test_any_way_to_this_very_callmux_is_right_where_none_was_asked_for(
    kind: str, entry: Entry, wanted: Entry, known: bool, word: str
) -> None:
    text = attach(kind, "", "callmux", entry, nothing_known).text
    found = status(kind, text, "callmux", wanted, lambda name, raw: known, any_way=True)
    assert found.word == word


def test_an_entry_that_is_missing_or_broken_leads_nowhere() -> None:
    assert status("claude", "", "callmux", ENTRY, any_way=True).word == "absent"
    text = '{"mcpServers": {"callmux": {"args": 5}}}'
    assert status("claude", text, "callmux", ENTRY, any_way=True).word == "different_entry"
    assert entry_of("claude", {"args": 5}) is None
    assert flavour_of("codex", {"args": 5}) is None


def test_a_plain_callmux_is_upgraded_where_it_is_the_one_for_node() -> None:
    text = file("claude", {"command": "callmux", "args": ["--config", "/x"]})
    new = upgrade("claude", text, ("uvx", "callmux"), also=["callmux"])
    assert json.loads(new.text)["mcpServers"]["callmux"] == {
        "command": "uvx",
        "args": ["callmux", "--config", "/x"],
    }


def test_detach_of_nothing_changes_nothing() -> None:
    for kind in ("codex", *JSON_KINDS):
        assert detach(kind, "", "callmux", nothing_known).text == ""


PROJECTS = {
    "mcpServers": {"a": {"command": "npx", "args": ["-y", "callmux", "--config", "/a"]}},
    "projects": {
        "/p": {"mcpServers": {"mux": {"command": "npx", "args": ["callmux@0.24.3", "bridge", "--url", "u"]}}},
        "/q": {"mcpServers": {}},
        "/r": 5,
    },
}


def test_every_section_of_claude_code_is_upgraded_and_arguments_stay() -> None:
    text = json.dumps(PROJECTS, indent=4)
    assert list(sections("claude", text)) == [("mcpServers",), ("projects", "/p", "mcpServers")]
    assert node_entries("claude", text) == [("mcpServers", "a"), ("projects", "/p", "mcpServers", "mux")]
    new = json.loads(upgrade("claude", text, ("uvx", "callmux")).text)
    assert new["mcpServers"]["a"] == {"command": "uvx", "args": ["callmux", "--config", "/a"]}
    mux = new["projects"]["/p"]["mcpServers"]["mux"]
    assert mux == {"command": "uvx", "args": ["callmux", "bridge", "--url", "u"]}
    assert node_entries("claude", json.dumps(new)) == []
    assert upgrade("claude", json.dumps(new), ("uvx", "callmux")).text == json.dumps(new)


def test_an_unmanaged_table_of_codex_is_upgraded_in_place() -> None:
    text = '# mine\n[mcp_servers.mux]\ncommand = "npx"\nargs = ["-y", "callmux", "--config", "/x"]\n'
    assert upgrade("codex", text, ("callmux",)).text == (
        '# mine\n[mcp_servers.mux]\ncommand = "callmux"\nargs = ["--config", "/x"]\n'
    )


def test_clients_of_the_desktop_get_whole_paths() -> None:
    poor = {kind for kind in ("codex", *JSON_KINDS) if has_poor_path(kind)}
    assert poor == {"claude-desktop", "cursor", "vscode", "windsurf", "generic"}
    assert title("codex") == "Codex"
    assert all(reload_hint(kind) and title(kind) for kind in ("codex", *JSON_KINDS))
