"""callmux completion: what the shells complete, asked of the shells themselves where they are there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from callmux.cli import completion
from callmux.cli.commands import COMMANDS
from callmux.cli.completion import bash, contexts, fish, words, zsh
from callmux.cli.grammar.table import everything
from callmux.cli.main import main
from tests.support import SECONDS


def shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: its completion is only checked as text")
    return path


def bash_completes(tmp_path: Path, *typed: str) -> list[str]:
    script = tmp_path / "callmux.bash"
    script.write_text(bash())
    ask = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _callmux; printf "%s\\n" "${COMPREPLY[@]}"'
    command = [shell("bash"), "--norc", "-c", ask, str(script), "callmux", *typed]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True, cwd=tmp_path)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        (["ser"], ["server"]),
        (["server", "li"], ["list"]),
        (["--listen", ""], []),
        (["--liste"], ["--listen"]),
        (["tools", "list", "--js"], ["--json"]),
        (["tools", "--json", "sear"], ["search"]),
        (["call", "x", "--output-format", ""], ["json", "toon", "auto", "plain", "shortest"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["help", "inst"], ["instructions"]),
        (["init", "--con"], ["--config"]),
        (["call", "x", "--file", "pay"], ["payload.json"]),
        (["call", "x", "--cwd", ""], ["folder"]),
        (["call", "x", "--url", "--"], []),
    ],
)
def test_bash_completes_what_belongs_there(typed: list[str], completed: list[str], tmp_path: Path) -> None:
    (tmp_path / "payload.json").touch()
    (tmp_path / "folder").mkdir()
    assert bash_completes(tmp_path, *typed) == completed


def test_bash_knows_every_command_and_every_flag(tmp_path: Path) -> None:
    assert sorted(bash_completes(tmp_path, "")) == sorted(COMMANDS)
    for name, command in contexts():
        shown = bash_completes(tmp_path, *name.split(), "--")
        assert set(shown) >= {option.name for option in command.options}


def fish_completes(tmp_path: Path, line: str) -> list[str]:
    script = tmp_path / "callmux.fish"
    script.write_text(fish())
    ask = f"source {script}; complete -C '{line}'"
    command = [shell("fish"), "--no-config", "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    return [row.split("\t")[0] for row in done.stdout.splitlines()]


def test_fish_completes_what_belongs_there(tmp_path: Path) -> None:
    assert fish_completes(tmp_path, "callmux ser") == ["server"]
    assert fish_completes(tmp_path, "callmux tools list --js") == ["--json"]
    assert sorted(fish_completes(tmp_path, "callmux completion ")) == ["bash", "fish", "zsh"]


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    script = tmp_path / "_callmux"
    script.write_text(zsh())
    subprocess.run([shell("zsh"), "-n", str(script)], timeout=SECONDS, check=True)


@pytest.mark.parametrize("write", [bash, zsh, fish])
def test_every_shell_is_told_of_every_command_and_flag(write: object) -> None:
    text = write()  # type: ignore[operator]
    for entry in everything():
        assert entry.word in text
        for option in entry.options:
            assert option.name in text or f"-l {option.name[2:]} " in text


def test_quotes_and_colons_in_the_table_do_not_break_a_script() -> None:
    assert completion._quoted("listener's") == "'listener'\\''s'"
    assert completion._colons("word:a: b") == "word:a\\: b"


def test_sub_commands_and_their_other_names_begin_lines_of_their_own() -> None:
    names = [name for name, _ in contexts()]
    assert len(names) == len(set(names))
    assert {"", "call", "server", "server set", "server edit"} <= set(names)


def test_words_are_sub_commands_choices_or_commands() -> None:
    by_name = dict(contexts())
    assert [word for word, _ in words("completion", by_name["completion"])] == ["bash", "zsh", "fish"]
    assert ("list", by_name["tools list"].summary) in words("tools", by_name["tools"])
    assert words("call", by_name["call"]) == []


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_a_script_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", name]) == 0
    assert f"Made by: callmux completion {name}\n" in capsys.readouterr().out


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "basch"]) == 1
    assert (
        'SHELL must be one of bash, zsh, fish, not "basch" (did you mean "bash"?)' in capsys.readouterr().err
    )
