"""The server scenarios of the official conformance suite (npm `@modelcontextprotocol/conformance`).

callmux stands in front of servers of every revision (`ways.py`). Nothing is expected to fail; what means
nothing across revisions stands in `ways.EXCLUDED` with the clause that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.ways import REVISIONS, WAYS, run_scenarios, served

LEAST = {"2025-03-26": 3, "2025-06-18": 50, "2025-11-25": 75, "2026-07-28": 140}
"""Checks of a revision."""


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("way", WAYS[1:])
def test_callmux_passes_every_server_scenario(
    way: str, revision: str, tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    """In front of a server of the same revision, and of one that knows only those with a handshake."""
    with served(way, revision, tmp_path) as url:
        ran = run_scenarios(npm_tool("conformance"), revision, way, url, tmp_path)
    assert ran.bad == []
    assert ran.wrongly_excluded == [], "take them out of EXCLUDED"
    assert ran.checks >= LEAST[revision]
