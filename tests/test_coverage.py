"""`scripts/coverage` tells what the own tests of a pure module do not reach, and holds that to the record."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "coverage"

WHOLE = '"""Doubles. Pure."""\n\ndef twice(n):\n    return 2 * n\n'
PART = '"""Signs. Pure."""\n\ndef sign(n):\n    if n < 0:\n        return "-"\n    return "+"\n'
BRANCH = '"""Bounds. Pure."""\n\ndef bounded(n):\n    if n > 9:\n        n = 9\n    return n\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one module that is reached whole, one where other tests alone reach a line, one that
    has a branch left, and one that is not pure."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(SCRIPT, tmp_path / "scripts" / "coverage")
    files = {
        "src/callmux/__init__.py": '"""A."""\n',
        "src/callmux/whole.py": WHOLE,
        "src/callmux/part.py": PART,
        "src/callmux/branch.py": BRANCH,
        "src/callmux/touching.py": '"""Touches a file."""\n\ndef touch():\n    return 1\n',
        "tests/test_whole.py": "from callmux import part, whole\n\n"
        'def test_a():\n    assert whole.twice(2) == 4\n    assert part.sign(-1) == "-"\n',
        "tests/test_part.py": 'from callmux import part\n\ndef test_a():\n    assert part.sign(1) == "+"\n',
        "tests/test_branch.py": "from callmux import branch\n\n"
        "async def test_a():\n    assert branch.bounded(10) == 9\n",
        "tests/test_touching.py": "from callmux import touching\n\ndef test_a():\n    pass\n",
        "tests/conftest.py": "import asyncio, inspect, pytest\n\n"
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
        "    if inspect.iscoroutinefunction(pyfuncitem.obj):\n"
        "        asyncio.run(pyfuncitem.obj())\n        return True\n",
        "tests/coverage.json": '{"part": 1, "branch": 1}\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def measure(project: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code, and the lines that are printed."""
    done = subprocess.run(
        [sys.executable, str(project / "scripts" / "coverage"), *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_what_other_tests_reach_does_not_count(project: Path) -> None:
    summary = "1 of 3 pure modules are reached whole by their own test file, with every branch"
    assert measure(project) == (0, [summary])


def test_a_module_that_gets_worse_or_better_than_its_record_fails(project: Path) -> None:
    (project / "tests" / "coverage.json").write_text('{"gone": 1, "part": 4}\n')
    status, lines = measure(project)
    assert status == 1
    assert lines[:3] == [
        "branch: 1 lines and branches are not reached, 0 are on record: 4->6",
        "part: 1 lines and branches are not reached, 4 are on record: record it (--record)",
        "gone: 0 lines and branches are not reached, 1 are on record: record it (--record)",
    ]


def test_the_record_is_written_anew_whole_or_for_modules_by_name(project: Path) -> None:
    record = project / "tests" / "coverage.json"
    record.write_text('{"gone": 1, "part": 4, "branch": 4}\n')
    assert measure(project, "--record", "part")[0] == 0
    assert json.loads(record.read_text()) == {"branch": 4, "part": 1}
    assert measure(project, "--record")[0] == 0
    assert json.loads(record.read_text()) == {"branch": 1, "part": 1}


def test_modules_by_name_are_told_line_by_line(project: Path) -> None:
    assert measure(project, "part", "whole")[1][:2] == ["part: 5", "whole: whole"]
    status, lines = measure(project, "touching")
    assert status == 2
    assert lines[-1].endswith('no module that says "Pure." and has a test file of its own: touching')


def test_tests_that_fail_are_no_measurement(project: Path) -> None:
    (project / "tests" / "test_part.py").write_text("def test_a():\n    assert False\n")
    status, lines = measure(project)
    assert status == 1
    assert "the tests do not pass under coverage" in lines[-1]
