"""The guard against getting slower judges rightly and says what grew. CI judges by it in another step."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SECONDS = 300
needs_valgrind = pytest.mark.skipif(shutil.which("vgdb") is None, reason="valgrind is not installed")


@pytest.fixture(scope="module")
def guard() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        before = set(sys.modules)
        yield import_module("instructions")
        for name in set(sys.modules) - before:
            if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def run(*options: str | Path) -> tuple[int, str]:
    words = [sys.executable, BENCHMARKS / "instructions.py", *options]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=SECONDS)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("found", "verdict"),
    [(112_000, "slower"), (110_001, "slower"), (110_000, "ok"), (100_000, "ok"), (88_000, "faster")],
)
def test_more_than_a_tenth_above_the_record_is_slower(guard: ModuleType, found: int, verdict: str) -> None:
    assert guard.judge(found, 100_000) == verdict
    assert guard.judge(found, None) == "new"


@pytest.mark.parametrize("other", ["python", "machine", "msgspec", "uvloop", "httptools", "uvicorn"])
def test_a_record_of_other_versions_judges_nothing(guard: ModuleType, other: str) -> None:
    here = guard.versions()
    mine = {"versions": here, "ways": {}}
    theirs = {"versions": {**here, other: "0.0"}, "ways": {}}
    assert guard.matching([theirs], here) is None
    assert guard.matching([theirs, mine], here) is mine


def test_what_grew_comes_with_the_largest_first_and_nothing_else(guard: ModuleType) -> None:
    before = {"rings.ring": 4.0, "session": 2.0, "gone": 9.0, "same": 1.0}
    now = {"rings.ring": 5.0, "session": 2.0, "new": 6.0, "same": 1.0}
    assert guard.grown(before, now) == [("new", 0, 6.0), ("rings.ring", 4.0, 5.0)]


def test_every_way_is_recorded_with_its_versions_its_frames_and_its_functions(guard: ModuleType) -> None:
    names = {way.name for way in guard.WAYS} | {*guard.STARTS}
    records = json.loads(guard.RECORDS.read_text("utf-8"))
    assert records
    for record in records:
        assert record["versions"].keys() == guard.versions().keys()
        assert record["ways"].keys() == names
        for name, way in record["ways"].items():
            assert way["instructions"] >= sum(way["functions"].values()) > way["instructions"] / 2
            assert bool(way["frames"]) == (name not in guard.STARTS)


def test_what_a_called_function_takes_is_counted_once(guard: ModuleType) -> None:
    """A file of callgrind names a function once, and gives the cost of what it calls with its own lines."""
    text = """
fn=(1) main
10 5
+2 7
cfn=(2) inner
calls=3 20
* 900
* 1

fn=(2)
20 30
-3 4
fn=(3) inner'2
21 6
"""
    count = import_module("grind").parse(text)
    assert count.functions == {"main": 13, "inner": 40}
    assert count.total == 53


@needs_valgrind
def test_a_call_with_needless_work_fails_and_the_work_is_named(tmp_path: Path) -> None:
    """The same way of a call, recorded and then with so many rounds of a loop in it. That it passes without
    them is what `scripts/check-instructions` shows each time."""
    records = tmp_path / "records.json"
    code, said = run("--ways", "plain", "--records", records, "--record")
    assert code == 0, said
    code, said = run("--ways", "plain", "--records", records, "--burden", "2000")
    assert code == 1, said
    assert re.search(r"\n +\+2\.0 +2\.0  burden\n", said), said
    assert re.search(r"\n +\+[\d,]+ +[\d,]+  _PyEval_EvalFrameDefault\n", said), said
    assert "FAILED" in said


@needs_valgrind
def test_a_machine_with_other_versions_is_told_and_not_failed(tmp_path: Path) -> None:
    records = tmp_path / "records.json"
    way = {"instructions": 1, "functions": {}, "frames": {}}
    records.write_text(json.dumps([{"versions": {"python": "Another 1.0"}, "ways": {"plain": way}}]))
    code, said = run("--ways", "plain", "--records", records)
    assert code == 0, said
    assert "Not judged" in said
    assert "Another 1.0" in said


def test_the_frames_of_a_call_are_told_for_every_way(guard: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "frames.json"
    words = [sys.executable, str(BENCHMARKS / "frames.py"), "--list", "--modules", "--json", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=True)
    found = json.loads(out.read_text("utf-8"))
    assert found.keys() == {way.name for way in guard.WAYS}
    for name, one in found.items():
        assert re.search(rf"^{re.escape(name)} +[\d.]+ +\d+ +[\d.]+ +[\d.]+$", done.stdout, re.M)
        assert sum(one["modules"].values()) == pytest.approx(one["frames"])
        assert "callmux/session/session.py:Session.receive" in one["way"] or name in (
            "listener",
            "modern client",
            "guarded modern client",
        )
    assert found["plain"]["tasks"] == found["plain"]["coroutines"] == 0
    assert found["cached"]["frames"] < found["plain"]["frames"] < found["parallel of ten"]["frames"]
