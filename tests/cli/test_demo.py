"""`callmux demo`, run for real: the trace and the table follow the number of calls and the servers' delay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.cli.demo import run
from callmux.errors import UsageError

DEMO = [sys.executable, "-m", "callmux", "demo"]
SECONDS = 120


def demo(*args: str) -> dict[str, Any]:
    done = subprocess.run([*DEMO, "--json", *args], capture_output=True, timeout=SECONDS, text=True)
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def summed(shown: dict[str, Any], part: str, way: str) -> dict[str, float]:
    """The figures of one cell, computed here from the trace alone."""
    messages = [m for m in shown["trace"] if m["part"] == part and m["way"] == way]
    sent, received = ([m for m in messages if m["kind"] == kind] for kind in ("sent", "received"))
    size = sum(m["contextBytes"] for m in messages)
    waited = sum(r["ms"] - s["ms"] for s, r in zip(sent, received, strict=True))
    return {"calls": len(sent), "ms": pytest.approx(waited, abs=0.1), "bytes": size, "tokens": -(-size // 4)}


@pytest.mark.parametrize(("calls", "delay"), [(3, 20), (8, 20), (3, 120)])
def test_the_table_follows_the_trace(calls: int, delay: int) -> None:
    shown = demo("--calls", str(calls), "--delay", str(delay))
    parts = shown["table"][:-1]
    assert [row["tool"] for row in parts] == ["callmux_parallel", "callmux_batch", "callmux_pipeline"]
    assert [row["oneByOne"]["calls"] for row in parts] == [calls, calls, 3]
    assert [row["callmux"]["calls"] for row in parts] == [1, 1, 1]
    for row in parts:
        assert row["oneByOne"] == summed(shown, row["part"], "one by one")
        assert row["callmux"] == summed(shown, row["part"], "callmux")
        # Each single call waits for its server; a pipeline's three steps wait one after the other both ways.
        assert row["oneByOne"]["ms"] >= row["oneByOne"]["calls"] * delay
        assert row["callmux"]["ms"] >= (3 if row["tool"] == "callmux_pipeline" else 1) * delay
    total = shown["table"][-1]
    assert total["part"] == "total"
    for way in ("oneByOne", "callmux"):
        for figure in ("calls", "bytes"):
            assert total[way][figure] == sum(row[way][figure] for row in parts)
    assert len(shown["checked"]) == 3


def test_more_calls_cost_more_one_by_one_and_no_more_turns_together() -> None:
    few, many = demo("--calls", "2", "--delay", "0"), demo("--calls", "9", "--delay", "0")
    assert many["table"][-1]["oneByOne"]["calls"] == few["table"][-1]["oneByOne"]["calls"] + 2 * 7
    assert many["table"][-1]["callmux"]["calls"] == few["table"][-1]["callmux"]["calls"] == 3
    assert many["tokensRead"]["one by one"] > few["tokensRead"]["one by one"]


def test_the_table_and_the_entries_are_printed() -> None:
    done = subprocess.run(
        [*DEMO, "--calls", "2", "--delay=0"], capture_output=True, timeout=SECONDS, text=True, check=True
    )
    entries = ("claude mcp add", '"cacheTtlSeconds"', '"mcpServers"', "[mcp_servers.callmux]")
    for expected in ("read 2 issues", "total", *entries):
        assert expected in done.stdout
    screen = done.stdout.splitlines()[-23:]
    assert "read 2 issues" in screen
    assert screen[-1].startswith("Result: 7 calls became 3; ")
    assert max(map(len, screen)) <= 80


@pytest.mark.parametrize(
    "args",
    [
        ["--calls"],
        ["--calls", "0"],
        ["--calls", "201"],
        ["--calls=x"],
        ["--delay", "-1"],
        ["--callmux", ""],
        ["--jsn"],
        ["extra"],
    ],
)
def test_bad_arguments_are_refused(args: list[str]) -> None:
    with pytest.raises(UsageError):
        run(args, None)


def test_a_configuration_is_refused() -> None:
    with pytest.raises(UsageError, match="its own configuration"):
        run([], "config.json")


def test_a_callmux_that_cannot_start_is_a_sentence_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--callmux", "/nowhere/callmux"], None) == 1
    assert "could not be started" in capsys.readouterr().err


IGNORING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""How shells start what runs in the background."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("before", [[], [sys.executable, "-c", IGNORING]], ids=["plain", "ignoring SIGINT"])
def test_an_interrupt_leaves_no_process_and_no_folder(
    tmp_path: Path, number: signal.Signals, before: list[str]
) -> None:
    process = subprocess.Popen(
        [*before, *DEMO, "--delay", "10000"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + SECONDS
        children: list[psutil.Process] = []
        while len(children) < 3 and time.monotonic() < deadline and process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            time.sleep(0.02)
        assert len(children) >= 3, "callmux and its two servers"
        process.send_signal(number)
        _, error = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait(SECONDS)
    assert process.returncode == 130
    assert b"Traceback" not in error
    _, alive = psutil.wait_procs(children, timeout=SECONDS)
    assert not alive
    assert list(tmp_path.iterdir()) == []
