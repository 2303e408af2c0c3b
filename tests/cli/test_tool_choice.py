"""Choosing tools at a terminal."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from callmux.cli.server_saving import Declined, checked_entry
from callmux.cli.tool_choice import choose, filled_in
from callmux.config.load import load_config
from callmux.config.servers import HttpServer, StdioServer
from callmux.upstream.links.identity import fingerprint
from callmux.upstream.probe import ProbeResult

SERVER = StdioServer(command="x")


def chosen(
    tools: list[str],
    picked: list[str] | None = None,
    *,
    error: str | None = None,
    anyway: bool = False,
    server: StdioServer | HttpServer = SERVER,
    signs_in: bool | None = None,
) -> list[str] | None:
    asked: list[str] = []

    async def probe(
        name: str, server: object, *, timeout_seconds: float, base_dir: Path, **_: object
    ) -> ProbeResult:
        asked.append(name)
        if signs_in is not None and (len(asked) == 1 or not signs_in):
            return ProbeResult([], "the server wants you to sign in", (), True)
        return ProbeResult(tools, error)

    async def pick(offered: list[str]) -> list[str]:
        assert offered == sorted(tools)
        assert picked is not None
        return picked

    async def confirm(problem: str) -> bool:
        return anyway

    async def sign_in(name: str, server: object, base_dir: Path) -> bool:
        assert signs_in is not None
        return signs_in

    return asyncio.run(choose("n", server, probe, pick, confirm, sign_in, Path()))


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


def test_a_server_that_wants_a_sign_in_is_asked_again_once_somebody_has_signed_in() -> None:
    server = HttpServer(url="https://far.example/mcp")
    assert chosen(["b", "a"], ["a"], server=server, signs_in=True) == ["a"]
    with pytest.raises(Declined):
        chosen(["a"], server=server, signs_in=False)
    assert chosen(["a"], server=server, signs_in=False, anyway=True) is None


def test_a_new_server_is_looked_at_as_the_configuration_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first session would not find what it listed; relative files count from the configuration."""
    monkeypatch.setenv("PLACE", "/opt")
    (tmp_path / "key").write_text("hunter2\n")
    for entry in (
        {"command": "npx", "args": ["${PLACE}", "${file:key}"], "envRefs": {"T": "file:key"}, "cwd": "~/x"},
        {"url": "https://h/${PLACE}", "headers": {"Authorization": "Bearer ${file:key}"}},
    ):
        (tmp_path / "c.json").write_text(json.dumps({"servers": {"n": entry}}))
        loaded = load_config(tmp_path / "c.json", os.environ).config.servers["n"]
        new = filled_in("n", checked_entry("n", entry), tmp_path)
        assert fingerprint(new) == fingerprint(loaded)
        assert new.templates == loaded.templates
        assert new.problem is None
