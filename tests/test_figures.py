"""`scripts/figures` counts what it says it counts."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture import Source
from tests.scripts import loaded

SCRIPT = Path(__file__).parents[1] / "scripts" / "figures"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", list(sys.path))
    return loaded("figures")


def test_logical_lines_are_statements_without_docstrings(script: Any) -> None:
    text = '"""A."""\nX = (\n    1,\n)\n"""What X is."""\n\ndef f():\n    """B."""\n    a = 1; return a\n'
    assert script.logical_lines(ast.parse(text)) == 4


def test_modules_are_counted_without_the_files_that_only_make_a_package(script: Any) -> None:
    files = {
        "__init__.py": '"""A."""\n',
        "runtime.py": "import callmux.a.b\nimport callmux.a.c\n",
        "a/__init__.py": "",
        "a/b.py": "import callmux.a.c\n\nclass Same:\n    pass\n",
        "a/c.py": "import callmux.a.b\nclass Same: pass\n",
    }
    found = dict(script.figures(Source(files)))
    assert (found["files"], found["modules of a"], found["modules of (single files)"]) == ("5", "2", "1")
    assert (found["median module, lines"], found["largest module, lines"]) == ("2", "4 (`a.b`)")
    assert (found["modules that `runtime` imports"], found["class names in two places"]) == ("2", "1")
    assert (found["circles of imports"], found["modules in circles"]) == ("1", "2")


def test_what_the_checks_of_the_architecture_find_is_counted(script: Any) -> None:
    files = {
        "__init__.py": '"""A. Called by `callmux.b`."""\n',
        "b.py": '"""Uses `callmux.gone`."""\n\ndef dead() -> None: ...\n',
    }
    found = dict(script.figures(Source(files)))
    assert found["names of nothing in docstrings"] == "1"
    assert found['"called by" and "given to" that are not so'] == "1"
    assert found["definitions that only tests use"] == "1"


def test_the_checkout_is_one_column() -> None:
    text = subprocess.check_output([sys.executable, SCRIPT], timeout=120, text=True)
    head, line, *rows = text.splitlines()
    assert (head, line) == ("| | checkout |", "| --- | --- |")
    assert [row for row in rows if row.count("|") != 3] == []
