"""The dialogue of callmux setup, with keys for answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from callmux.cli import setup, setup_steps, wizard
from callmux.cli.grammar.setup import COMMANDS
from callmux.cli.own_entry import this_machine
from callmux.cli.parsing import read
from callmux.clients.registry import KNOWN
from callmux.setup.scene import look
from tests.cli.machine import GIT, move_in, probe

CLAUDE = f'{{"mcpServers": {{"git": {GIT}, "bad": {{"command": "sh", "args": ["b"]}}}}}}'
ENTER, SPACE, DOWN, STOP = "\r", " ", "\x1b[B", "\x03"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    move_in(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".claude.json").write_text(CLAUDE)
    return tmp_path


def config(home: Path) -> Any:
    return json.loads((home / ".config" / "callmux" / "config.json").read_text())


def answer(*keys: str, flags: tuple[str, ...] = ()) -> int:
    """Goes through the dialogue with these keys."""
    scene = look(this_machine(), None, with_project=True)
    with create_pipe_input() as keyboard:
        keyboard.send_text("".join(keys))
        # A question too many is an EOFError then, and no wait.
        keyboard.close()
        with create_app_session(input=keyboard, output=DummyOutput()):
            return wizard.ask(read(COMMANDS[0], list(flags)), scene, None, probe)


MOVE_ALL = (ENTER, ENTER, ENTER, ENTER, "n")
"""These clients; move all, credentials into files, nothing of the list, nothing of one's own."""


def test_enter_all_the_way_moves_what_answers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Leave what fails, take all tools, a process a directory, the preset, a process a session."""
    assert answer(*MOVE_ALL, ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    assert config(home)["preset"] == "lean"
    assert not {"cacheTtlSeconds", "metaOnly"} & config(home).keys()
    assert config(home)["servers"] == {
        "git": {
            "command": "sh",
            "envRefs": {"A_TOKEN": f"file:{home / '.config' / 'callmux' / 'secrets' / 'git-A_TOKEN'}"},
            "cwdMode": "session",
        }
    }
    assert set(json.loads((home / ".claude.json").read_text())["mcpServers"]) == {"bad", "callmux"}
    out, err = capsys.readouterr()
    assert "whoever lets callmux_call pass once for all has allowed every tool" in " ".join(out.split())
    assert "bad: broken" in err
    assert "hunter2" not in out + err
    assert setup.run(["--undo"], None) == 0
    assert (home / ".claude.json").read_text() == CLAUDE


def test_the_plan_is_summed_up_and_shown_whole_on_request(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(*MOVE_ALL, ENTER, "n", ENTER, ENTER, ENTER, "n") == 0
    short = capsys.readouterr().out
    assert "~/.claude.json: 1 line more, 1 fewer" in " ".join(short.split())
    assert "@@" not in short
    assert answer(*MOVE_ALL, ENTER, "n", ENTER, ENTER, ENTER, "s", "n") == 0
    whole = capsys.readouterr().out
    assert "@@" in whole
    assert (home / ".claude.json").read_text() == CLAUDE


@pytest.mark.parametrize("asked", range(13))
def test_stopping_at_any_question_leaves_everything_as_it_was(
    asked: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [*MOVE_ALL, ENTER, "n", ENTER, f"{DOWN}{ENTER}", ENTER, "n", ENTER, "y"]
    assert answer(*keys[:asked], STOP) == 130
    assert (home / ".claude.json").read_text() == CLAUDE
    assert not (home / ".config").exists()
    assert "Stopped: nothing was written." in capsys.readouterr().out


def test_no_to_the_last_question_writes_nothing(home: Path) -> None:
    assert answer(*MOVE_ALL, ENTER, "n", ENTER, ENTER, ENTER, "n") == 0
    assert not (home / ".config").exists()


def test_tools_cache_and_a_shared_listener(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`y` to choosing tools, the first one off; a cache; meta-only; a listener and no service."""
    monkeypatch.setattr(setup_steps, "has_daemon", lambda: True)
    tools = ("y", SPACE, ENTER)
    assert (
        answer(*MOVE_ALL, ENTER, *tools, ENTER, DOWN, ENTER, DOWN, ENTER, "y", DOWN, ENTER, ENTER, "n", "y")
        == 0
    )
    written = config(home)
    assert (written["cacheTtlSeconds"], written["metaOnly"]) == (60, True)
    assert written["servers"]["git"]["tools"] == ["y"]
    args = json.loads((home / ".claude.json").read_text())["mcpServers"]["callmux"]["args"]
    assert args[-4:] == ["bridge", "--url", "http://127.0.0.1:4860/mcp", "--autostart"]


def test_what_is_typed_in_goes_into_a_private_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The ninth of the list needs a key; and a server of one's own, whose name is wrong at first."""
    (home / ".claude.json").write_text("{}")
    at = list(KNOWN).index("brave-search")
    own = ("y", "a b", ENTER, "x", ENTER, "mine", ENTER, "sh -c x", ENTER, "n")
    keys = (ENTER, DOWN * at, SPACE, ENTER, DOWN, ENTER, "hunter2", ENTER, *own)
    assert answer(*keys, "n", ENTER, "n", ENTER, ENTER, "y") == 0
    secret = home / ".config" / "callmux" / "secrets" / "brave-search-BRAVE_API_KEY"
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("hunter2\n", 0o600)
    servers = config(home)["servers"]
    assert servers["brave-search"]["envRefs"] == {"BRAVE_API_KEY": f"file:{secret}"}
    assert servers["mine"] == {"command": "sh", "args": ["-c", "x"], "cwdMode": "session"}
    out = capsys.readouterr().out
    assert "hunter2" not in out
    assert "letters, digits" in out


def test_remote_servers_and_places(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_PERSONAL_ACCESS_TOKEN", "x")
    (home / ".claude.json").write_text("{}")
    names = list(KNOWN)
    first, second = names.index("filesystem"), names.index("github")
    pick = (ENTER, DOWN * first, SPACE, DOWN * (second - first), SPACE, ENTER)
    assert answer(*pick, ENTER, ENTER, "n", "n", "n", ENTER, ENTER, "y", flags=("--no-project",)) == 0
    servers = config(home)["servers"]
    assert servers["filesystem"]["args"][-1] == str(home)
    assert servers["github"]["headers"] == {"Authorization": "Bearer ${GITHUB_PERSONAL_ACCESS_TOKEN}"}


def test_an_existing_configuration_is_extended_replaced_or_left(home: Path) -> None:
    path = home / ".config" / "callmux" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"servers": {"old": {"command": "o"}}}')
    assert answer(DOWN, DOWN, ENTER) == 0
    assert answer(ENTER, *MOVE_ALL, ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    assert list(config(home)["servers"]) == ["old", "git"]


def test_servers_that_fail_can_be_moved_all_the_same(home: Path) -> None:
    assert answer(*MOVE_ALL, DOWN, ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    assert list(config(home)["servers"]) == ["git", "bad"]


def test_no_server_is_nothing_to_write(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".claude.json").write_text("{}")
    assert answer(ENTER, ENTER, "n") == 0
    assert "No server was chosen" in capsys.readouterr().out


def project(home: Path) -> Path:
    """A project's file whose server would leave a mark."""
    path = home / ".mcp.json"
    mark = {"command": "sh", "args": ["-c", f"touch {home / 'ran'}"]}
    path.write_text(json.dumps({"mcpServers": {"helper": mark}}))
    return path


def test_a_projects_file_is_asked_about_and_no_is_the_answer(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands are shown with the question; `y` lets its servers be chosen, and chooses none."""
    path = project(home)
    before = path.read_bytes()
    assert answer(ENTER, ENTER, *MOVE_ALL[1:], ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    out = capsys.readouterr().out
    assert f"helper: sh -c touch {home / 'ran'}" in out
    assert "Left where it is, and not started: helper" in out
    assert list(config(home)["servers"]) == ["git"]
    assert path.read_bytes() == before
    setup.run(["--undo"], None)
    assert answer(ENTER, "y", *MOVE_ALL[1:], ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    assert list(config(home)["servers"]) == ["git"]
    setup.run(["--undo"], None)
    pick = (DOWN, DOWN, SPACE, ENTER)
    assert answer(ENTER, "y", *pick, *MOVE_ALL[2:], ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    assert list(config(home)["servers"]) == ["git", "helper"]
    assert config(home)["servers"]["helper"]["cwd"] == str(home)


def test_a_client_that_is_not_chosen_keeps_its_servers(home: Path) -> None:
    """Claude Code is switched off and Codex on."""
    choose = (SPACE, DOWN, SPACE, ENTER)
    assert answer(*choose, *MOVE_ALL[1:], ENTER, "n", ENTER, ENTER, ENTER, "y") == 0
    assert (home / ".claude.json").read_text() == CLAUDE
    assert list(config(home)["servers"]) == ["git"]
    assert "callmux" in (home / ".codex" / "config.toml").read_text()
