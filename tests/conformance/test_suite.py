"""The server scenarios of the official conformance suite (npm `@modelcontextprotocol/conformance`).

callmux stands in front of servers of every revision (`ways.py`). Nothing is expected to fail; what means
nothing across revisions stands in `ways.EXCLUDED` with the clause that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.ways import REVISIONS, WAYS, run_scenarios, served

LEAST = {"2025-03-26": 3, "2025-06-18": 50, "2025-11-25": 75, "2026-07-28": 140}
"""Checks of a revision."""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], str]]:
    """The address of a way. The same processes serve all revisions with a handshake, until another way is
    asked for; others serve the newest revision, whose scenarios change what the server has."""
    serving, now = ExitStack(), ("", False)
    url = ""

    def address(way: str, revision: str) -> str:
        nonlocal now, url
        if now != (now := (way, revision == REVISIONS[-1])):
            serving.close()
            url = serving.enter_context(served(way, revision, tmp_path_factory.mktemp("served")))
        return url

    with serving:
        yield address


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("way", WAYS[1:])
def test_callmux_passes_every_server_scenario(
    way: str,
    revision: str,
    tmp_path: Path,
    at: Callable[[str, str], str],
    npm_tool: Callable[[str], list[str]],
) -> None:
    """In front of a server of the same revision, and of one that knows only those with a handshake."""
    ran = run_scenarios(npm_tool("conformance"), revision, way, at(way, revision), tmp_path)
    assert ran.bad == []
    assert ran.wrongly_excluded == [], "take them out of EXCLUDED"
    assert ran.checks >= LEAST[revision]
