"""docs/screens.md, which `scripts/screens` makes, holds what was promised of a small terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "screens.md"
SCREENS = re.findall(r"## (.+?)\n\n`(.+?)`\n\n```text\n(.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)


def test_every_screen_is_there() -> None:
    assert len(SCREENS) == 7


@pytest.mark.parametrize(("title", "command", "screen"), SCREENS, ids=[title for title, _, _ in SCREENS])
def test_a_screen_fits_80_by_24_and_its_result_is_last(title: str, command: str, screen: str) -> None:
    lines = screen.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    last = {
        "The demonstration": r"Result: \d+ calls became \d+",
        "While servers are asked": r"\S model: \d+ s, downloading model \d/3",
        "... and what came of it": r"Result: issues found: 1 of 4 servers work",
        "One server": r"Result: issues found",
        "What setup would write": r"Nothing was written",
        "The question before it writes": r"\? Write this\?",
        "Help": r"      every server, for a script",
    }[title]
    assert re.match(last, lines[-1]), lines[-1]
