"""The benchmark runs and reports every figure. No test asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.test_real_clients import program

ENGINE = Path(__file__).parent.parent / "benchmarks" / "engine.py"
SEARCH = Path(__file__).parent.parent / "benchmarks" / "search.py"
DATA = Path(__file__).parents[2] / "shared" / "data"
STDIO = Path(__file__).parent.parent / "benchmarks" / "stdio.py"


def test_the_stdio_benchmark_reports_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    ours = f"{sys.executable} -m callmux"
    subprocess.run(
        [sys.executable, str(STDIO), "--rounds", "1", "--calls", "5", "--against", ours, "--json", str(out)],
        check=True,
        timeout=120,
    )
    row = json.loads(out.read_text("utf-8"))["row"]
    assert list(row) == ["direct", "callmux", "other"]
    for figures in row.values():
        assert figures.keys() == {"p50_us", "added_us", "per_s", "mb", "start_ms"}
        assert figures["per_s"] > 0


@pytest.mark.skipif(not DATA.exists(), reason="the shared catalogues are not here")
def test_the_search_benchmark_reports_quality_and_speed(tmp_path: Path) -> None:
    """Well above a plain BM25 on what people ask, whole questions included."""
    out = tmp_path / "figures.json"
    subprocess.run([sys.executable, str(SEARCH), str(DATA), "--json", str(out)], check=True, timeout=120)
    figures = json.loads(out.read_text("utf-8"))
    assert figures["labelled recall@5"] > 0.85
    assert figures["questions by step, first 5"] > 0.57
    assert figures["questions as a whole, first 10"] > 0.49
    assert figures["paraphrase hit@5 of 10,000"] > 0.8
    assert figures["three together, first 10"] > 0.7


def test_the_listener_benchmark_reports_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--rounds", "1", "--calls", "8", "--sessions", "20", "--trees", "--agents", "2"]
    options += ["--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("listener.py")), *options], check=True, timeout=120)
    found = json.loads(out.read_text("utf-8"))
    for title in ("listener", "bridge and listener"):
        assert found[title]["callmux"].keys() == {"p50_us", "per_s", "mb", "start_ms"}
    assert found["sessions"]["callmux"]["errors"] == 0
    assert list(found["trees"]) == ["direct", "callmux, 2 directories", "callmux, cwdMode global"]
    # Two times five servers and their wrappers; through a listener fewer.
    direct, apart, shared = (tree["processes"] for tree in found["trees"].values())
    assert direct == 20
    assert shared < apart


def test_the_benchmark_of_guards_reports_every_figure(tmp_path: Path) -> None:
    script, out = Path(__file__).parent.parent / "benchmarks" / "guard.py", tmp_path / "figures.json"
    ours = f"{sys.executable} -m callmux"
    options = ["--rounds", "1", "--calls", "3", "--plain", "--against", ours, "--json", str(out)]
    subprocess.run([sys.executable, str(script), *options], check=True, timeout=120)
    figures = json.loads(out.read_text("utf-8"))
    assert list(figures) == ["npm bare", "npm guarded", "callmux bare", "callmux guarded"]
    assert all(row["latency"][0] > 0 for row in figures.values())


def test_the_commands_benchmark_reports_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    ours = f"{sys.executable} -m callmux"
    options = ["--rounds", "1", "--only", "call get", "--against", ours, "--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("commands.py")), *options], check=True, timeout=120)
    (figures,) = json.loads(out.read_text("utf-8")).values()
    assert figures.keys() == {"callmux_ms", "other_ms", "ratio"}
    assert figures["ratio"] > 0


def test_the_engine_benchmark_reports_every_figure(tmp_path: Path) -> None:
    """Equal reads at once are one call of the server."""
    out = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, str(ENGINE), "--rounds", "1", "--json", str(out)], check=True, timeout=120
    )
    figures = json.loads(out.read_text("utf-8"))["callmux"]
    keys = {"cached_us", "uncached_us", "coalesced_ms", "coalesced_calls", "shielded_1mb_ms"}
    assert figures.keys() == keys
    assert figures["coalesced_calls"] == 1


def test_sessions_of_many_kinds_leave_no_more_behind_than_is_allowed(tmp_path: Path) -> None:
    """Two servers, at most twelve connections for other capabilities, the guardian."""
    out = tmp_path / "figures.json"
    options = ["--sessions", "60", "--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("kinds.py")), *options], check=True, timeout=120)
    found = json.loads(out.read_text("utf-8"))
    assert found["failed"] == 0
    for when in ("at the start", "at a tenth", "in the middle", "at the end"):
        assert found[when]["processes"] <= 2 + 12 + 1 + 4, "up to four are just ending"


def test_the_clients_benchmark_finds_all_tools_on_every_way(tmp_path: Path) -> None:
    """With Claude Code, which waits for them."""
    program("claude")
    out = tmp_path / "figures.json"
    options = ["--client", "claude", "--rounds", "1", "--several", "1", "--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("clients.py")), *options], check=True, timeout=240)
    (found,) = json.loads(out.read_text("utf-8")).values()
    assert list(found) == ["direct", "stdio", "listener", "bridge"]
    for starts in found.values():
        assert [seconds is not None for seconds in starts[0]] == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="the time of a single thread is read from /proc")
def test_the_benchmark_of_history_reports_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--rates", "200", "--seconds", "0.3", "--rounds", "1", "--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("history.py")), *options], check=True, timeout=120)
    figures = json.loads(out.read_text("utf-8"))
    assert list(figures) == ["history, way", "store, way", "store, writer", "both, way", "both, writer"]
    assert all(list(row) == ["200"] for row in figures.values())
    assert figures["store, writer"]["200"] > 0


def test_the_benchmark_of_directories_counts_processes_of_every_way(tmp_path: Path) -> None:
    script, out = STDIO.with_name("directories.py"), tmp_path / "figures.json"
    options = ["--local", "--agents", "2", "--rounds", "1", "--settle", "0.1", "--json", str(out)]
    subprocess.run([sys.executable, str(script), *options], check=True, timeout=150)
    found = json.loads(out.read_text("utf-8"))["agents"]
    assert list(found) == ["direct", "callmux", "callmux, as before"]
    direct, ours, before = (figures["processes"] for figures in found.values())
    # Five servers, two bridges, the listener and the guardian; beside two times five, and three times five.
    assert direct == 10
    assert ours <= 9 < before


def test_the_benchmark_of_the_first_listing_finds_every_server(tmp_path: Path) -> None:
    script, out = STDIO.with_name("directories.py"), tmp_path / "figures.json"
    options = ["--first-listing", "--servers", "2", "--slow", "0.5", "--rounds", "1", "--json", str(out)]
    subprocess.run([sys.executable, str(script), *options], check=True, timeout=150)
    assert json.loads(out.read_text("utf-8"))["missing"] == 0


def test_servers_that_sleep_cost_no_process_and_their_first_call_is_timed(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--servers", "2", "--bare", "--rounds", "1", "--settle", "0", "--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("sleeping.py")), *options], check=True, timeout=120)
    found = json.loads(out.read_text("utf-8"))
    assert list(found["ways"]) == ["callmux, lazy", "callmux, eager"]
    assert found["ways"]["callmux, lazy"]["processes"] == 0
    assert [way["servers"] for way in found["ways"].values()] == [2, 2]
    assert list(found["calls"]) == ["bare"]


def test_random_use_with_idle_stops_fails_no_call_and_passes_no_bound(tmp_path: Path) -> None:
    """Four sessions need no more than six processes at a time: nobody waits for long."""
    out = tmp_path / "figures.json"
    options = ["--minutes", "0.05", "--sessions", "4", "--idle", "1", "--pause", "1", "--all", "6", "--bare"]
    script = STDIO.with_name("idle_stops.py")
    subprocess.run([sys.executable, str(script), *options, "--json", str(out)], check=True, timeout=180)
    found = json.loads(out.read_text("utf-8"))
    assert (found["failures"], found["looks over a bound"], found["processes after"]) == ({}, 0, 0)
    assert (found["other processes left"], found["processes before"]) == ([], 0)
    assert found["calls"] > 0


def test_the_listing_has_the_same_bytes_whatever_happens(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    options = ["--events", "6", "--seed", "3", "--json", str(out)]
    subprocess.run([sys.executable, str(STDIO.with_name("steady.py")), *options], check=True, timeout=180)
    found = json.loads(out.read_text("utf-8"))
    assert list(found["hashes"].values()) == [7]
    assert found["failed"] == 0
