"""Each weak spot of the original has a test named after it, and each of the engine a line on what is done.

`w8` in a test's name is W8 of the reference's engine.md, section 14; `listener_8` is number 8 of listener.md,
section 18; `c8` is W8 of cli-and-config.md, section 15.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT.parent / "shared" / "reference" / "engine.md"
COUNT = 36
LISTENER = {*range(1, 13), 24, 25, *range(28, 32), 33, *range(34, 37), *range(38, 46), 47}
"""Lost calls, limits, reload, what is observed. 37 needs a management interface, 46 an event store: later."""
COMMANDS = set(range(1, 22))


def lines_of_differences() -> set[int]:
    """The numbers that `docs/differences.md` speaks of."""
    text = (ROOT / "docs" / "differences.md").read_text("utf-8")
    return {int(n) for bold in re.findall(r"\*\*(.+?)\*\*", text) for n in re.findall(r"\bW(\d+)\b", bold)}


def named_tests(mark: str = "w") -> set[int]:
    """The numbers in names of tests, after `mark`."""
    texts = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    found = (re.findall(rf"def test_(?:[a-z0-9]+_)*?{mark}(\d+)(?:_|\()", text) for text in texts)
    return {int(number) for numbers in found for number in numbers}


@pytest.mark.parametrize("number", range(1, COUNT + 1))
def test_each_has_a_test_and_a_line(number: int) -> None:
    assert number in lines_of_differences(), f"docs/differences.md does not say what is done about W{number}"
    assert number in named_tests(), f"no test is named test_w{number}_..."


@pytest.mark.skipif(not REFERENCE.exists(), reason="the shared reference is not here")
def test_none_of_the_table_is_left_out() -> None:
    numbers = {int(n) for n in re.findall(r"^\| \*\*W(\d+)\*\*", REFERENCE.read_text("utf-8"), re.MULTILINE)}
    assert numbers == set(range(1, COUNT + 1))


def test_those_of_the_listener_and_of_commands_have_a_test_each() -> None:
    assert LISTENER - named_tests("listener_") == set()
    assert COMMANDS - named_tests("c") == set()
