"""The tests that docs/security.md names are there, by file and by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "security.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if "/test_" in line and line.startswith("|")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_attack_names_tests_that_are_there(row: str) -> None:
    files = [(PAGE.parent / found) for found in re.findall(r"\]\((\.\./tests/[^)]*)\)", row)]
    names = re.findall(r"`(test_\w+)`", row.split("|")[3])
    assert files
    assert names
    texts = "".join(path.read_text("utf-8") for path in files)
    assert [name for name in names if f"def {name}(" not in texts] == []


def test_every_part_of_the_page_has_rows() -> None:
    assert len(ROWS) > 40
