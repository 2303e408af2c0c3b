"""What is made of the suite's verdicts: a stand-in for the suite says what each scenario comes to."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import ways
from tests.conformance.ways import TRIES, WAYS, Excluded, Ran, run_scenarios

LISTENER = WAYS[1]
URL = "http://callmux"
SUITE = """
import json, pathlib, sys
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
plan = json.loads(pathlib.Path(sys.argv[1]).read_text())
where = "through" if words["--url"] == "http://callmux" else "alone"
counter = pathlib.Path(sys.argv[1]).with_suffix(".count")
counts = json.loads(counter.read_text()) if counter.exists() else {}
for name in [words["--scenario"]] if "--scenario" in words else plan:
    key = f"{name} {where}"
    turn = counts[key] = counts.get(key, 0) + 1
    verdicts = plan[name][where]
    status = verdicts[min(turn, len(verdicts)) - 1]
    folder = pathlib.Path(words["--output-dir"]) / f"server-{name}-2026-11-30T01-02-03-004Z"
    folder.mkdir(parents=True)
    (folder / "checks.json").write_text(json.dumps([{"id": f"{name}-check", "status": status}]))
counter.write_text(json.dumps(counts))
"""
GOOD, BAD = "SUCCESS", "FAILURE"


def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *excluded: str, **plan: Any) -> Ran:
    """What came of scenarios whose verdicts are given: through callmux, one after the other, and alone."""
    (tmp_path / "suite.py").write_text(SUITE)
    (tmp_path / "plan.json").write_text(
        json.dumps({n: {"through": t, "alone": a} for n, (t, a) in plan.items()})
    )
    rows = tuple(Excluded(f"{name}-check", "2026-07-28", frozenset({LISTENER}), "why") for name in excluded)
    monkeypatch.setattr(ways, "EXCLUDED", rows)
    suite = [sys.executable, "-I", "-S", str(tmp_path / "suite.py"), str(tmp_path / "plan.json")]
    # The stand-in takes pairs of words; the suite's command is one by itself.
    monkeypatch.setattr(ways, "COMMAND", ())
    monkeypatch.setattr(ways, "alone", lambda folder: nullcontext("http://alone"))
    return run_scenarios(suite, "2026-07-28", LISTENER, URL, tmp_path)


def test_what_passes_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ran(tmp_path, monkeypatch, one=([GOOD], [GOOD]))
    assert (found.passed, found.scenarios, found.bad, found.unsteady) == (1, 1, [], [])


def test_what_fails_again_and_not_alone_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ran(tmp_path, monkeypatch, one=([BAD], [GOOD]))
    assert (found.passed, found.bad) == (0, ["one: one-check: None"])


@pytest.mark.parametrize(
    ("through", "alone"), [([BAD, GOOD], [GOOD]), ([BAD, BAD, GOOD], [GOOD]), ([BAD], [BAD])]
)
def test_what_seldom_fails_again_or_fails_alone_as_well_is_told_and_not_ours(
    through: Any, alone: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ran(tmp_path, monkeypatch, one=(through, alone))
    assert (found.passed, found.bad) == (1, [])
    (told,) = found.unsteady
    assert told.startswith("one: fails ")
    assert f"of {TRIES} times again" in told


def test_an_excluded_check_may_fail_and_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ran(tmp_path, monkeypatch, "one", one=([BAD], [GOOD]))
    assert (found.bad, found.wrongly_excluded) == ([], [])
    (again := tmp_path / "again").mkdir()
    found = ran(again, monkeypatch, "one", "gone", one=([GOOD], [GOOD]))
    assert found.wrongly_excluded == ["gone-check", "one-check"]
