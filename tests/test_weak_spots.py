"""A test names each weak spot of docs/weak-spots.md; docs/differences.md says what is done about it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT.parent / "shared" / "reference"
COUNTS = {"W": 36, "L": 48, "C": 21}
ELSEWHERE = {
    **dict.fromkeys((13, 14, 18), "tests/interaction/requirements.py, by the requirement"),
    19: "W5 is the same",
    21: "W36 is the same",
    27: "tests/rights",
    32: "the documents are ours",
    48: "left as it is: parity cases pin it",
}
"""Of the listener: where else they are tested, or why not yet."""
NAMED = re.compile(r"\b([WLC])(\d+)\b")


def rows() -> dict[str, set[int]]:
    """The numbers of docs/weak-spots.md, by letter."""
    found: dict[str, set[int]] = {letter: set() for letter in COUNTS}
    text = (ROOT / "docs" / "weak-spots.md").read_text("utf-8")
    for letter, number in re.findall(r"^\| ([WLC])(\d+) \|", text, re.MULTILINE):
        found[letter].add(int(number))
    return found


def lines_of_differences() -> set[int]:
    """The numbers that `docs/differences.md` speaks of."""
    text = (ROOT / "docs" / "differences.md").read_text("utf-8")
    return {int(n) for bold in re.findall(r"\*\*(.+?)\*\*", text) for n in re.findall(r"\bW(\d+)\b", bold)}


@cache
def named() -> dict[str, set[int]]:
    """The numbers that docstrings of tests, or of whole test files, name, by letter."""
    found: dict[str, set[int]] = {letter: set() for letter in COUNTS}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
                "test_"
            )
            if is_test:
                assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for letter, number in NAMED.findall(ast.get_docstring(node) or ""):
                    found[letter].add(int(number))
    return found


def test_the_page_has_them_all() -> None:
    assert {letter: set(range(1, count + 1)) for letter, count in COUNTS.items()} == rows()


@pytest.mark.parametrize("number", range(1, COUNTS["W"] + 1))
def test_each_of_the_engine_has_a_test_and_a_line(number: int) -> None:
    assert number in lines_of_differences(), f"docs/differences.md does not say what is done about W{number}"
    assert number in named()["W"], f'no test says "Weak spot W{number}"'


@pytest.mark.skipif(not REFERENCE.exists(), reason="the shared reference is not here")
def test_none_of_the_table_is_left_out() -> None:
    text = (REFERENCE / "engine.md").read_text("utf-8")
    numbers = {int(n) for n in re.findall(r"^\| \*\*W(\d+)\*\*", text, re.MULTILINE)}
    assert numbers == rows()["W"]


def test_those_of_the_listener_and_of_commands_have_a_test_each() -> None:
    assert rows()["L"] - named()["L"] - ELSEWHERE.keys() == set()
    assert rows()["C"] - named()["C"] == set()


def test_no_reason_is_left_for_one_that_is_tested() -> None:
    assert not ELSEWHERE.keys() & named()["L"]
