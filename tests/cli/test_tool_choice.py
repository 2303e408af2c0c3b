"""Choosing tools at a terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callmux.cli.server_saving import Declined
from callmux.cli.tool_choice import choose
from callmux.config.servers import StdioServer
from callmux.upstream.probe import ProbeResult

SERVER = StdioServer(command="x")


def chosen(
    tools: list[str],
    picked: list[str] | None = None,
    *,
    error: str | None = None,
    anyway: bool = False,
    server: StdioServer = SERVER,
) -> list[str] | None:
    async def probe(
        name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
    ) -> ProbeResult:
        return ProbeResult(tools, error)

    async def pick(offered: list[str]) -> list[str]:
        assert offered == sorted(tools)
        assert picked is not None
        return picked

    async def confirm(problem: str) -> bool:
        return anyway

    return asyncio.run(choose("n", server, probe, pick, confirm))


def test_some_tools_are_a_whitelist_and_all_are_none() -> None:
    assert chosen(["b", "a"], ["a"]) == ["a"]
    assert chosen(["b", "a"], ["a", "b"]) is None


def test_a_server_without_tools_needs_no_choice() -> None:
    assert chosen([]) is None


def test_a_server_that_does_not_work_is_added_only_on_request() -> None:
    """C3: the original never notices."""
    with pytest.raises(Declined, match="was not added"):
        chosen([], error="it crashed")
    assert chosen([], error="it crashed", anyway=True) is None
    with pytest.raises(Declined, match="was not added"):
        chosen([], server=StdioServer(command="${NOT_SET_HERE}"))
