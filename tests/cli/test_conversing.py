"""`callmux.cli.conversing`: a listener, or a callmux that is started for one command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.conversing import child_args
from callmux.cli.grammar.list import COMMANDS
from callmux.cli.main import main
from callmux.cli.parsing import read
from callmux.errors import UsageError

NOTES = f"{sys.executable} -m callmux.demo.servers.notes"


def _args(*words: str, config: str | None = None) -> list[str] | None:
    return child_args(read(COMMANDS[0], words), config)


def test_a_listener_is_meant_unless_something_else_is_said() -> None:
    assert _args() is None
    assert _args("--url", "http://h/mcp") is None
    assert _args("--server", "a") is None


def test_the_servers_of_a_configuration_are_started() -> None:
    here = os.path.abspath("c.json")
    assert _args("--direct") == []
    assert _args(config="c.json") == _args("--direct", config="c.json") == ["--config", here]
    assert _args("--direct", "--server", "a") == ["--only", "a", "--strict-startup"]
    # As before: with an address, --config says nothing.
    assert _args("--url", "http://h/mcp", config="c.json") is None


def test_a_single_server_is_started() -> None:
    assert _args("--stdio", "uvx 'my server' -x") == ["--strict-startup", "--", "uvx", "my server", "-x"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--direct", "--url", "http://h"], "--url is for a listener, and --direct uses none"),
        (["--stdio", "x", "--token", "t"], "--token is for a listener, and --stdio uses none"),
        (["--stdio", "x", "--direct"], "leave --direct out"),
        (["--stdio", "'x"], "cannot be split"),
        (["--stdio", " "], "needs the command"),
    ],
)
def test_flags_that_exclude_each_other_are_named(words: list[str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        _args(*words)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    command, *arguments = NOTES.split()
    servers: dict[str, Any] = {"n": {"command": command, "args": arguments}, "bad": {"command": "no-such"}}
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": servers}))
    return path


def test_a_tool_is_called_without_a_listener(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "list_notes", "{}", "--stdio", NOTES]) == 0
    assert json.loads(capsys.readouterr().out) == {"notes": []}
    assert main(["call", "n__list_notes", "{}", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out) == {"notes": []}


def test_tools_are_listed_without_a_listener_and_missing_servers_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--config", str(config), "--json"]) == 0
    said = capsys.readouterr()
    assert "n__list_notes" in [tool["name"] for tool in json.loads(said.out)["tools"]]
    assert 'Note: the server "bad" is not up: its command "no-such"' in said.err


def test_only_the_named_server_is_started(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "list", "--config", str(config), "--server", "n", "--json"]) == 0
    said = capsys.readouterr()
    assert "list_notes" in [tool["name"] for tool in json.loads(said.out)["tools"]]
    assert said.err == ""
    assert main(["list", "--config", str(config), "--server", "bad"]) == 2
    assert "no-such" in capsys.readouterr().err
    assert main(["list", "--config", str(config), "--server", "bd"]) == 2
    assert 'did you mean "bad"' in capsys.readouterr().err
