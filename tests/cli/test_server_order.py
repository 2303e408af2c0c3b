"""`callmux server stop` and `server start` reach every process, and tell how the server is there now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server_order
from callmux.cli.server import run
from callmux.errors import UsageError


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"files": {"command": "x"}}}))
    return str(path)


def processes(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> list[Any]:
    """Processes by `p` and their id, with what each answers; gives what they were asked."""
    requests: list[Any] = []

    def asked(path: Path, env: Any, request: Any, seconds: float) -> Any:
        requests.append(request)
        return {int(name[1:]): answer for name, answer in answers.items()}

    monkeypatch.setattr(server_order, "asked", asked)
    return requests


def test_every_process_stops_it(monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any) -> None:
    asked = processes(monkeypatch, p1={"state": "sleeping"}, p2={"state": "starting"})
    assert run(["stop", "files"], config) == 0
    (request,) = asked
    assert len(request.pop("order")) == 16
    assert request == {"method": "stop", "server": "files"}
    assert capsys.readouterr().out.splitlines() == [
        '"files" in process 1: sleeping',
        '"files" in process 2: starting',
    ]


def test_one_that_does_not_come_up_is_an_error(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any
) -> None:
    processes(monkeypatch, p1={"state": "connected"}, p2={"state": "failed", "error": "no such command"})
    assert run(["start", "files"], config) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == ['"files" in process 1: connected']
    assert told.err.splitlines() == ['"files" in process 2: failed, no such command']
    assert run(["start", "files", "--json"], config) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["action"], shown["server"]) == ("start", "files")
    assert shown["processes"][1] == {"pid": 2, "ok": False, "state": "failed", "error": "no such command"}


def test_where_nothing_runs_there_is_nothing_to_stop(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any
) -> None:
    processes(monkeypatch)
    assert run(["stop", "files"], config) == 1
    assert "there is nothing to stop" in capsys.readouterr().err
    with pytest.raises(UsageError, match='did you mean "files"'):
        run(["stop", "file"], config)
