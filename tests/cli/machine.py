"""A machine on which setup finds what it needs: a home, clients' files, and servers that answer at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.upstream.probe import ProbeResult

GIT = '{"command": "sh", "env": {"A_TOKEN": "hunter2"}}'
"""A server with a secret in its entry."""


async def probe(
    name: str, server: StdioServer | HttpServer, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    """Every server but `bad` has two tools."""
    return ProbeResult([], "broken") if name == "bad" else ProbeResult(["x", "y"], None)


def move_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `home` the user's: nothing of the real one is seen, and every program is found."""
    for variable in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "CALLMUX_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("callmux.setup.probing.find_command", lambda server, env: server.command)
