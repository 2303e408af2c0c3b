"""`callmux ps` shows the processes of all servers, with their memory and who uses them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import ps

MAIN = {"for": "main", "pid": 50, "sessions": 2, "calls": 1}
LANE = {"for": "/here", "pid": 51, "sessions": 1, "calls": 0, "idleSeconds": 9}
REMOTE = {"for": "main", "pid": None, "sessions": 0, "calls": 0}
ANSWER: dict[str, Any] = {
    "pid": 7,
    "servers": [
        {"name": "a", "state": "connected", "connections": [MAIN, LANE]},
        {"name": "b", "state": "sleeping", "connections": []},
        {"name": "c", "state": "connected", "connections": [REMOTE]},
    ],
}


def told(monkeypatch: pytest.MonkeyPatch, answers: dict[int, Any]) -> None:
    monkeypatch.setattr(ps, "answers_of", lambda places, request, seconds: answers)
    monkeypatch.setattr(ps, "group_memory", lambda: {50: 12_400_000})


def test_each_process_has_a_line_and_a_server_without_any_has_one(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    told(monkeypatch, {7: ANSWER})
    assert ps.run([], None) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        list(ps.HEAD),
        ["7", "a", "connected", "main", "50", "12", "2", "1", "-"],
        ["7", "a", "connected", "/here", "51", "-", "1", "0", "9", "s"],
        ["7", "b", "sleeping", *"------"],
        ["7", "c", "connected", "main", "-", "-", "0", "0", "-"],
    ]


def test_as_json(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    told(monkeypatch, {7: ANSWER})
    assert ps.run(["--json"], str(tmp_path / "c.json")) == 0
    (process,) = json.loads(capsys.readouterr().out)["processes"]
    assert process["servers"][0]["connections"][0]["memoryBytes"] == 12_400_000


def test_where_nothing_runs_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    told(monkeypatch, {})
    assert ps.run([], None) == 1
    assert capsys.readouterr().err == "No callmux runs here.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_memory_is_that_of_a_process_and_of_what_it_started(tmp_path: Path) -> None:
    assert ps.group_memory()[os.getpgid(0)] > 1_000_000
    page = os.sysconf("SC_PAGE_SIZE")
    for pid, text in (
        ("1", "(a) (b) S 0 9 9 " + "0 " * 17 + "3 0"),
        ("2", f"(x) S 1 9 9 {'0 ' * 17}4 0"),
        ("3", "("),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(f"{pid} {text}")
    assert ps.from_proc(tmp_path) == {9: 7 * page}


def test_where_there_is_no_such_file_ps_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "ps"
    program.write_text("#!/bin/sh\necho ' 9 10'\necho '9 20'\necho 'x 1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ps.from_proc(tmp_path / "none") == {}
    assert ps.from_ps() == {9: 30 * 1024}
    program.unlink()
    assert ps.from_ps() == {}
