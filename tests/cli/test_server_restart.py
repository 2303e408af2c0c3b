"""`callmux server restart` finds the processes, tells each outcome, and fails where one is not up."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server_restart
from callmux.cli.server import run
from callmux.errors import UsageError
from callmux.process.control_sockets import ProcessRefused, Unreachable

UP = {"state": "connected", "connectDurationMs": 12}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"files": {"command": "x"}}}))
    return str(path)


def processes(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> list[Any]:
    """Processes by `p` and their id, with what each answers; gives what they were asked."""
    asked: list[Any] = []
    found = {int(name[1:]): Path(name) for name in answers}

    def ask(path: Path, request: Any, seconds: float) -> Any:
        asked.append(request)
        answer = answers[path.name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(server_restart, "sockets", lambda path, env: found)
    monkeypatch.setattr(server_restart, "ask", ask)
    return asked


def test_every_process_is_asked(monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any) -> None:
    asked = processes(monkeypatch, p1=UP, p2={"state": "starting"})
    assert run(["restart", "files"], config) == 0
    assert asked[0] == asked[1], "nodes of one cluster know it by its token"
    assert len(asked[0].pop("order")) == 16
    assert asked[0] == {"method": "restart", "server": "files"}
    assert capsys.readouterr().out.splitlines() == [
        'Restarted "files" in process 1 (12 ms)',
        'Process 2 starts "files" with its first client',
    ]


def test_what_does_not_come_up_is_an_error(monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any) -> None:
    down = {"state": "reconnecting", "error": "no such command"}
    processes(
        monkeypatch, p1=UP, p2=down, p3=ProcessRefused('server "files" is disabled'), p4={"state": "failed"}
    )
    assert run(["restart", "files"], config) == 1
    assert capsys.readouterr().err.splitlines() == [
        '"files" in process 2: no such command',
        '"files" in process 3: server "files" is disabled',
        '"files" in process 4: it is failed',
    ]


def test_a_process_that_has_ended_does_not_count_and_one_that_hangs_does(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any
) -> None:
    gone = Unreachable("it does not answer")
    processes(monkeypatch, p999999999=gone)
    assert run(["restart", "files"], config) == 1
    assert "there is nothing to restart" in capsys.readouterr().err
    processes(monkeypatch, **{f"p{os.getpid()}": gone, "p1": UP})
    assert run(["restart", "files"], config) == 1
    assert f"in process {os.getpid()}: it does not answer" in capsys.readouterr().err


def test_json_says_the_same(monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any) -> None:
    processes(monkeypatch, p1=UP)
    assert run(["restart", "files", "--json"], config) == 0
    assert json.loads(capsys.readouterr().out) == {
        "action": "restarted",
        "server": "files",
        "processes": [{"pid": 1, "ok": True, "state": "connected", "connectDurationMs": 12}],
    }
    processes(monkeypatch)
    assert run(["restart", "files", "--json"], config) == 1
    assert json.loads(capsys.readouterr().out)["processes"] == []


def test_a_server_that_is_not_configured_is_refused_with_the_nearest(config: str) -> None:
    with pytest.raises(UsageError, match=r'"fils" not found.*"files"'):
        run(["restart", "fils"], config)
    with pytest.raises(UsageError):
        run(["restart"], config)
