"""Run mode: which configuration runs."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from callmux.cli import serve
from callmux.cli.grammar.serve import COMMANDS
from callmux.cli.main import main
from callmux.cli.parsing import Given, read
from callmux.cli.process import run_loop
from callmux.cli.serve import choose, load
from callmux.config.servers import StdioServer
from callmux.config.sources import Sources
from callmux.errors import CallmuxError, UsageError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def typed(*words: str) -> Given:
    return read(COMMANDS[0], words)


def written(path: Path, **document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"servers": {"one": {"command": "srv"}}, **document}))
    return path


def test_the_option_goes_before_the_variable_and_that_before_the_default(home: Path) -> None:
    default = written(home / ".config" / "callmux" / "config.json")
    named = written(home / "named.json")
    env = {"CALLMUX_CONFIG": str(named)}
    assert choose(typed(), "given.json", env) == Path("given.json")
    assert choose(typed(), None, env) == named
    assert choose(typed(), None, {}) == default


@pytest.mark.parametrize("args", [["--", "srv"], ["--url", "http://x/mcp"]])
def test_a_server_on_the_command_line_goes_before_every_file(home: Path, args: list[str]) -> None:
    written(home / ".config" / "callmux" / "config.json")
    assert choose(typed(*args), None, {"CALLMUX_CONFIG": str(home / "missing.json")}) is None


def test_nothing_to_run_two_things_to_run_and_a_missing_file_are_refused(home: Path) -> None:
    with pytest.raises(UsageError, match="nothing to run"):
        choose(typed(), None, {})
    with pytest.raises(UsageError, match="--config names the servers already"):
        choose(typed("--", "srv"), "c.json", {})
    with pytest.raises(CallmuxError, match="does not exist"):
        choose(typed(), None, {"CALLMUX_CONFIG": str(home / "missing.json")})


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--nonsense"], 'Unknown option "--nonsense"'),
        (["--meta-onyl"], 'did you mean "--meta-only"'),
        (["--tools", "a"], "--tools is about one server"),
        (["--host", "127.0.0.1"], "--host is for a listener: it needs --listen PORT"),
        (["--idle-exit", "5"], "--idle-exit is for a listener"),
    ],
)
def test_flags_that_do_nothing_are_refused_before_anything_else_is_said(
    args: list[str],
    says: str,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside a configuration file, too; the original starts its server. Weak spot C14 of callmux (npm)."""
    monkeypatch.setattr(serve, "log_to_stderr", lambda: None)
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    for _ in range(2):
        assert main(args) == 1
        assert says in capsys.readouterr().err
        written(home / ".config" / "callmux" / "config.json")


def test_flags_go_on_top_of_the_file_whose_warnings_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("callmux"), "propagate", True)
    path = written(tmp_path / "c.json", metaOnly=False, nope=1)
    loaded = load(typed("--meta-only"), path, {}, Sources())
    assert (list(loaded.servers), loaded.meta_only) == (["one"], True)
    assert load(typed(), path, {}, Sources()).meta_only is False
    assert "nope is not known and ignored" in caplog.text


def test_without_a_file_the_command_line_is_the_configuration() -> None:
    loaded = load(typed("--cache", "60", "--", "srv", "--cache"), None, {}, Sources())
    server = loaded.servers["default"]
    assert isinstance(server, StdioServer)
    assert (server.command, list(server.args), loaded.cache_ttl_seconds) == ("srv", ["--cache"], 60)


def test_the_loop_gives_back_the_exit_code() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 3

    assert run_loop(work()) == 3
