"""Fixtures that many tests share: the real MCP servers fetched by `scripts/interop`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache"


def _missing(what: str) -> None:
    """Skips the test, or fails it where CI promised that everything is there."""
    if os.environ.get("CALLMUX_REQUIRE_NODE") == "1":
        pytest.fail(f"{what} is missing: run scripts/interop (it needs Node.js)")
    pytest.skip(f"{what} is missing: run scripts/interop")


@pytest.fixture(scope="session")
def npm_server() -> Callable[[str], list[str]]:
    """The command of an npm MCP server by its short name, such as `everything`."""

    def command(name: str) -> list[str]:
        node = shutil.which("node")
        script = CACHE / "npm" / "node_modules" / ".bin" / f"mcp-server-{name}"
        if node is None or not script.exists():
            _missing(f"the npm server {name}")
        return [str(node), str(script.resolve())]

    return command


@pytest.fixture(scope="session")
def pypi_server() -> Callable[[str], list[str]]:
    """The command of a PyPI MCP server by its short name, such as `git`."""

    def command(name: str) -> list[str]:
        script = CACHE / "servers" / "bin" / f"mcp-server-{name}"
        if not script.exists():
            _missing(f"the PyPI server {name}")
        return [str(script)]

    return command
