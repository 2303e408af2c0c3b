"""callmux server logs"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server, server_logs
from callmux.cli.grammar.server import COMMANDS
from callmux.cli.parsing import read
from callmux.errors import UsageError


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"files": {"command": "x"}}}))
    monkeypatch.setattr(server_logs, "PAUSE_SECONDS", 0)
    return str(path)


def line(time: int, text: str) -> dict[str, str]:
    return {"time": f"2026-01-05T08:09:{time:02}.000Z", "text": text}


def processes(monkeypatch: pytest.MonkeyPatch, *rounds: dict[int, Any]) -> list[Any]:
    """What the processes answer, round by round; gives what they were asked."""
    questions: list[Any] = []
    answers = iter(rounds)

    def asked(path: Path, env: dict[str, str], request: Any, seconds: float) -> dict[int, Any]:
        questions.append(json.loads(json.dumps(request)))
        return next(answers)

    monkeypatch.setattr(server_logs, "asked", asked)
    return questions


def test_lines_of_all_processes_are_shown_in_the_order_of_time(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any
) -> None:
    one = {"lines": [line(1, "first"), line(3, "third")], "last": 9}
    questions = processes(monkeypatch, {11: one, 12: {"lines": [line(2, "second")], "last": 4}})
    assert server.run(["logs", "files", "--lines", "7"], config) == 0
    assert questions == [{"method": "log", "server": "files", "after": {}, "lines": 7}]
    assert [shown.split(" ", 1)[1] for shown in capsys.readouterr().out.splitlines()] == [
        "[11] first",
        "[12] second",
        "[11] third",
    ]


def test_a_single_process_is_not_named(monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any) -> None:
    processes(monkeypatch, {11: {"lines": [line(1, "x")], "last": 1}})
    assert server.run(["logs", "files"], config) == 0
    assert capsys.readouterr().out == "2026-01-05T08:09:01.000Z x\n"


def test_following_asks_only_for_what_is_new(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any
) -> None:
    questions = processes(
        monkeypatch,
        {11: {"lines": [line(1, "x")], "last": 5}},
        {11: {"lines": [], "last": 5}},
        {11: {"lines": [line(2, "y")], "last": 6}},
    )
    given = read(COMMANDS[0], ["logs", "files", "--follow"])
    assert server_logs.run(given, config, rounds=2) == 0
    assert [question["after"] for question in questions] == [{}, {"11": 5}, {"11": 5}]
    assert [shown[-1] for shown in capsys.readouterr().out.splitlines()] == ["x", "y"]


def test_where_nothing_runs_it_says_so(monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any) -> None:
    processes(monkeypatch, {})
    assert server.run(["logs", "files"], config) == 1
    assert "No callmux runs with" in capsys.readouterr().err


def test_an_unknown_server_is_named_with_the_nearest(config: str) -> None:
    with pytest.raises(UsageError, match=r'did you mean "files"'):
        server.run(["logs", "file"], config)


def test_a_server_that_has_written_nothing_is_said_to_have(
    monkeypatch: pytest.MonkeyPatch, config: str, capsys: Any
) -> None:
    processes(monkeypatch, {11: {"lines": [], "last": 0}})
    assert server.run(["logs", "files"], config) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", '"files" has written nothing to stderr.\n')
