"""callmux help, and --help behind any command."""

from __future__ import annotations

import sys

import pytest

from callmux.cli.commands import COMMANDS
from callmux.cli.grammar.table import command, everything
from callmux.cli.help import SAMPLE, command_lines, global_lines
from callmux.cli.main import main
from callmux.metatools.meta_tool import META_TOOLS


def said(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert main(list(args)) == 0
    return capsys.readouterr().out


def test_the_overview_names_every_command_and_every_flag_of_run_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    text = "\n".join(global_lines())
    assert not [name for name in COMMANDS if f"  {name:<14}{command(name).summary}" not in text]
    assert not [option.name for option in next(everything()).options if f"  {option.name}" not in text]


def test_the_tools_that_agents_get_are_named() -> None:
    text = " ".join("\n".join(global_lines()).split())
    assert f"The tools that agents get: {', '.join(META_TOOLS)}." in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_with_its_flags_and_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "help", name)
    assert text == said(capsys, name, "--help") == said(capsys, name, "-h")
    for entry in [command(name), *command(name).subcommands]:
        assert not [option.name for option in entry.options if f"  {option.name}" not in text]
        assert not [example.line for example in entry.examples if f"  {example.line}\n" not in text]


def test_a_sub_command_has_a_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "server", "list", "--help")
    assert text.startswith("callmux server list: ")
    assert text == said(capsys, "help", "server", "list")
    assert "callmux server list: " in said(capsys, "server", "--help")


def test_a_command_that_there_is_not_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "docter"]) == 1
    assert 'There is no command "docter" (did you mean "doctor"?)' in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 110])
def test_no_line_is_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for command lines, which are copied as they are."""
    monkeypatch.setenv("COLUMNS", str(width))
    for entry in everything():
        lines = command_lines(entry) if entry.name else global_lines()
        examples = {f"  {example.line}" for each in everything() for example in each.examples}
        long = [line for line in lines if len(line) > width and line not in examples]
        assert not [line for line in long if line not in SAMPLE or width > 60]


@pytest.mark.parametrize(
    ("terminal", "env", "coloured"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    terminal: bool,
    env: dict[str, str],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert ("\x1b[1mOptions:\x1b[0m" in said(capsys, "--help")) is coloured
