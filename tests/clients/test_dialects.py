"""How each client writes a server."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.clients.dialects import DIALECTS, read_entry, render
from callmux.clients.entry import ClientFileError, Entry

REMOTE = Entry(url="http://h/mcp", transport="streamable-http")
LEGACY = Entry(url="http://h/sse", transport="sse")


@pytest.mark.parametrize(
    ("kind", "remote", "legacy"),
    [
        ("claude", {"type": "http", "url": "http://h/mcp"}, {"type": "sse", "url": "http://h/sse"}),
        ("vscode", {"type": "http", "url": "http://h/mcp"}, {"type": "sse", "url": "http://h/sse"}),
        ("cursor", {"url": "http://h/mcp"}, {"url": "http://h/sse"}),
        ("windsurf", {"serverUrl": "http://h/mcp"}, {"serverUrl": "http://h/sse"}),
        ("gemini", {"httpUrl": "http://h/mcp"}, {"url": "http://h/sse"}),
        ("generic", {"type": "http", "url": "http://h/mcp"}, {"type": "sse", "url": "http://h/sse"}),
    ],
)
def test_an_address_is_written_as_the_client_wants_it(kind: str, remote: Any, legacy: Any) -> None:
    """c8: entries of the original for Claude Code carry no type, and Claude Code refuses them."""
    assert render(DIALECTS[kind], REMOTE) == remote
    assert render(DIALECTS[kind], LEGACY) == legacy


def test_claude_desktop_starts_programs_only() -> None:
    with pytest.raises(ClientFileError, match="add --bridge"):
        render(DIALECTS["claude-desktop"], REMOTE)
    assert render(DIALECTS["claude-desktop"], Entry(command="c")) == {"command": "c", "args": []}


def test_vscode_says_the_type_of_a_program() -> None:
    assert render(DIALECTS["vscode"], Entry(command="c", args=("a",), env={"K": "v"})) == {
        "type": "stdio",
        "command": "c",
        "args": ["a"],
        "env": {"K": "v"},
    }


def test_a_token_stands_in_the_file_as_the_name_of_a_variable() -> None:
    """c8: without it, an address fails against a listener with auth."""
    entry = Entry(url="http://h/mcp", transport="streamable-http", token_env="MUX")
    assert render(DIALECTS["claude"], entry)["headers"] == {"Authorization": "Bearer ${MUX}"}
    assert render(DIALECTS["cursor"], entry)["headers"] == {"Authorization": "Bearer ${env:MUX}"}
    with pytest.raises(ClientFileError, match="--bridge"):
        render(DIALECTS["vscode"], entry)


def test_an_entry_is_read_in_all_spellings() -> None:
    assert read_entry(
        {"command": "c", "args": ["a", 1], "env": {"A": 1, "B": "${env:X}"}, "cwd": "/w"}
    ) == Entry(command="c", args=("a", "1"), env={"A": "1", "B": "${X}"}, cwd="/w")
    for raw in ({"httpUrl": "u"}, {"type": "http", "url": "u"}, {"transport": "streamable-http", "url": "u"}):
        assert read_entry(raw) == Entry(url="u", transport="streamable-http")
    assert read_entry({"serverUrl": "u"}) == Entry(url="u")
    assert read_entry({"type": "sse", "url": "u"}) == Entry(url="u", transport="sse")
    more = read_entry(
        {"command": "c", "disabled": True, "timeout": 5, "includeTools": ["t"], "env": {"K": "${input:key}"}}
    )
    assert (more.disabled, more.timeout_ms, more.tools, more.input_names) == (True, 5, ("t",), ("key",))


@pytest.mark.parametrize("raw", [None, [], {}, {"command": ""}, {"command": "c", "args": "x"}, {"url": ""}])
def test_what_is_no_server_is_refused(raw: Any) -> None:
    with pytest.raises(ClientFileError):
        read_entry(raw)


@pytest.mark.parametrize("value", [True, "true", 1, "yes"])
def test_what_may_be_switched_off_is_off(value: object) -> None:
    assert read_entry({"command": "x", "disabled": value}).disabled


@pytest.mark.parametrize("value", [False, None, 0, ""])
def test_what_is_surely_on_is_on(value: object) -> None:
    assert not read_entry({"command": "x", "disabled": value}).disabled
