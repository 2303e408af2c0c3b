"""Every requirement has a test, every test a requirement, every message of MCP a requirement."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .requirements import METHODS, REQUIREMENTS, requirement

HERE = Path(__file__).parent


def all_tests() -> Iterator[tuple[str, Any]]:
    """Every test of this directory but these."""
    for path in sorted(HERE.glob("test_*.py")):
        if path.stem == Path(__file__).stem:
            continue
        module = importlib.import_module(f"tests.interaction.{path.stem}")
        for name, found in inspect.getmembers(module):
            if name.startswith("test_") and inspect.isfunction(found):
                yield f"{path.stem}.{name}", found
            elif name.startswith("Test") and inspect.isclass(found):
                for inner, method in inspect.getmembers(found, inspect.isfunction):
                    if inner.startswith("test_"):
                        yield f"{path.stem}.{name}.{inner}", method


def shown() -> set[str]:
    return {id for _, test in all_tests() for id in getattr(test, "requirements", ())}


def test_every_test_has_a_requirement() -> None:
    """A test that shows nothing in particular shows nothing."""
    assert not [name for name, test in all_tests() if not getattr(test, "requirements", ())]


def test_every_requirement_has_a_test() -> None:
    """What is only written down is not yet true."""
    assert not set(REQUIREMENTS) - shown()


@pytest.mark.parametrize("revision", METHODS)
def test_every_message_of_a_revision_has_a_requirement(revision: str) -> None:
    """The ids exist, and somebody tests them."""
    for method, ids in METHODS[revision].items():
        assert ids, method
        assert set(ids) <= set(REQUIREMENTS), method
        assert set(ids) <= shown(), method


def test_the_revisions_hold_what_their_schemas_hold() -> None:
    """Counted in `schema.ts`: 25 methods in 2025-06-18; 2025-11-25 adds five of tasks and the end of a URL
    elicitation."""
    assert len(METHODS["2025-06-18"]) == 25
    assert len(METHODS["2025-11-25"]) == 31


def test_requirements_are_sentences_with_a_clause() -> None:
    """What must be, and where that is said."""
    assert not [id for id, text in REQUIREMENTS.items() if not re.fullmatch(r"[A-Z`\d].*\(.+\)\.", text)]


def test_a_test_cannot_name_what_is_not_in_the_table() -> None:
    """A slip of the pen is found at once."""
    with pytest.raises(AssertionError, match="no such requirement"):
        requirement("tools.cal")
