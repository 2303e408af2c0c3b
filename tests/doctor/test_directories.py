"""Servers that run once per directory for nothing."""

from __future__ import annotations

from typing import Any

from callmux.clients.dependence import UNCHANGED, Compared
from callmux.config.check import check_document
from callmux.config.servers import StdioServer
from callmux.doctor.directories import needless
from callmux.protocol.shapes import Tool
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.probe import Seen

MEMORY = {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]}
GIT = {"command": "uvx", "args": ["mcp-server-git"]}
ODD = {"command": "odd"}


async def found(servers: dict[str, Any], compared: Compared | None = None, tool: str = "now") -> list[str]:
    config = check_document({"servers": servers}).config
    seen = {name: Seen((Tool(b'{"name":"%s"}' % tool.encode()),), Offer()) for name in servers}

    async def attempt(name: str, server: StdioServer) -> Compared:
        assert compared is not None, f"{name} was tried"
        return compared

    return await needless(config.servers, seen, attempt, 4)


async def test_a_server_that_is_known_not_to_depend_on_it_is_named_without_a_trial() -> None:
    assert await found({"m": MEMORY, "g": GIT}) == [
        '"m" runs once per directory for nothing: what it lists and answers is the same in every directory.'
        " callmux server set m --cwd-mode global gives one process for all; --cwd-mode session leaves it as"
        " it is"
    ]


async def test_what_somebody_has_said_is_left_alone() -> None:
    for more in (
        {"cwdMode": "session"},
        {"cwdMode": "global"},
        {"requireSessionCwd": True},
        {"disabled": True},
    ):
        assert await found({"m": {**MEMORY, **more}}) == []
    assert await found({"r": {"url": "https://h/mcp"}}) == []


async def test_any_other_server_is_named_where_two_directories_show_nothing() -> None:
    (warning,) = await found({"o": ODD}, Compared())
    assert warning.startswith(f'"o" runs once per directory for nothing: {UNCHANGED}. ')
    for compared in (Compared(changes="x"), Compared(asks_for_roots=True), Compared(problem="x")):
        assert await found({"o": ODD}, compared) == []


async def test_a_server_that_speaks_of_files_is_not_tried() -> None:
    assert await found({"o": ODD}, tool="read_file") == []
    there = {"command": "uv", "args": ["--directory", "/x", "run", "odd"]}
    (warning,) = await found({"o": there}, Compared(speaks_of="file"), tool="read_file")
    assert "it works in /x, whoever calls it" in warning


async def test_without_a_trial_only_what_is_known_is_named() -> None:
    config = check_document({"servers": {"m": MEMORY, "o": ODD}}).config
    (warning,) = await needless(config.servers, {}, None, 1)
    assert warning.startswith('"m"')
