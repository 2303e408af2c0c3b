"""Each weak spot of the original's engine has a test named after it, and a line that says what is done.

`w8` in a test's name is W8 of the reference's engine.md, section 14.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT.parent / "shared" / "reference" / "engine.md"
COUNT = 36


def lines_of_differences() -> set[int]:
    """The numbers that `docs/differences.md` speaks of."""
    text = (ROOT / "docs" / "differences.md").read_text("utf-8")
    return {int(n) for bold in re.findall(r"\*\*(.+?)\*\*", text) for n in re.findall(r"\bW(\d+)\b", bold)}


def named_tests() -> set[int]:
    """The numbers in names of tests."""
    texts = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {int(n) for text in texts for n in re.findall(r"def test_w(\d+)(?:_|\()", text)}


@pytest.mark.parametrize("number", range(1, COUNT + 1))
def test_each_has_a_test_and_a_line(number: int) -> None:
    assert number in lines_of_differences(), f"docs/differences.md does not say what is done about W{number}"
    assert number in named_tests(), f"no test is named test_w{number}_..."


@pytest.mark.skipif(not REFERENCE.exists(), reason="the shared reference is not here")
def test_none_of_the_table_is_left_out() -> None:
    numbers = {int(n) for n in re.findall(r"^\| \*\*W(\d+)\*\*", REFERENCE.read_text("utf-8"), re.MULTILINE)}
    assert numbers == set(range(1, COUNT + 1))
