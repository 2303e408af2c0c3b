"""Servers of files that other programs wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.clients.entry import Entry
from callmux.migrate.imported import NotUnderstood, imported

METAMCP = {
    "mcpServers": {
        "HackerNews": {"type": "STDIO", "description": "news", "command": "uvx", "args": ["mcp-hn"]},
        "Search": {
            "type": "STREAMABLE_HTTP",
            "url": "https://example.com/mcp",
            "bearerToken": "hunter2",
            "headers": {"X-A": "b"},
        },
        "Old": {"type": "SSE", "url": "https://example.com/sse"},
        "Env": {"type": "STDIO", "command": "npx", "env": {"K": "${K}"}},
    }
}
"""As its export button writes it."""


def test_the_export_of_metamcp_is_taken_over() -> None:
    servers, items = imported("/x/mcp-servers-export.json", json.dumps(METAMCP))
    assert dict(servers) == {
        "HackerNews": Entry(command="uvx", args=("mcp-hn",)),
        "Search": Entry(
            url="https://example.com/mcp",
            transport="streamable-http",
            headers={"X-A": "b", "Authorization": "Bearer hunter2"},
        ),
        "Old": Entry(url="https://example.com/sse", transport="sse"),
        "Env": Entry(command="npx", env={"K": "${K}"}),
    }
    assert {item.verdict for item in items} == {"changes"}
    assert 'loses its key "description"' in items[0].why


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/a.json", '{"mcpServers": {"a": {"command": "x"}}} // mine'),
        ("/a.json", '{"servers": {"a": {"type": "stdio", "command": "x"}}}'),
        ("/a.json", '{"servers": [{"name": "a", "command": "x"}]}'),
        ("/a.yaml", "mcpServers:\n  a:\n    command: x\n"),
        ("/config.toml", '[mcp_servers.a]\ncommand = "x"\n'),
    ],
)
def test_every_kind_of_file_with_servers_is_read(path: str, text: str) -> None:
    servers, _ = imported(path, text)
    assert servers == [("a", Entry(command="x"))]


@pytest.mark.parametrize(
    "raw",
    [
        {"command": "x", "sandboxEnabled": True},
        {"command": "x", "alwaysAllow": ["y"]},
        {"command": "x", "confineTo": "/srv"},
        {"url": "http://h", "oauth": {"clientId": "y"}},
        {"args": []},
        5,
    ],
)
def test_what_cannot_be_kept_whole_is_left_out_with_the_reason(raw: Any) -> None:
    servers, items = imported("/a.json", json.dumps({"mcpServers": {"a": raw, "b": {"command": "x"}}}))
    assert [name for name, _ in servers] == ["b"]
    assert (items[0].verdict, items[0].why[:8]) == ("look", "left out")


def test_denied_tools_and_switched_off_servers_stay_so() -> None:
    entries = {"a": {"command": "x", "excludeTools": ["y"]}, "b": {"command": "x", "disabled": True}}
    servers = dict(imported("/a.json", json.dumps({"mcpServers": entries}))[0])
    assert servers["a"].denied == ("y",)
    assert servers["b"].disabled


def test_callmux_itself_is_not_taken_over() -> None:
    servers, items = imported("/a.json", '{"mcpServers": {"callmux": {"command": "callmux"}}}')
    assert servers == []
    assert items[0].verdict == "stays"


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"mcpServers": {}}', '{"mcpServers": 5}'])
def test_a_file_without_servers_says_so(text: str) -> None:
    with pytest.raises(NotUnderstood, match="has no servers"):
        imported("/a.json", text)


@pytest.mark.parametrize("text", ["${input:tok}", "a ${workspaceFolder}/b", "${userHome}/x"])
def test_a_variable_that_only_another_program_fills_in_leaves_the_server_out(text: str) -> None:
    entries = {"a": {"command": "x", "env": {"K": text}}, "b": {"command": "x", "args": ["${K}"]}}
    servers, items = imported("/a.json", json.dumps({"mcpServers": entries}))
    assert [name for name, _ in servers] == ["b"]
    assert "a variable that only its own program knows (${" in items[0].why
