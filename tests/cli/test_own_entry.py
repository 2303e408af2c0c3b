"""callmux's own entry, as flags ask for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.cli.grammar.client import COMMANDS
from callmux.cli.own_entry import (
    listener_url,
    node_commands,
    own_entry,
    read_entry_options,
    this_machine,
    this_program,
)
from callmux.cli.parsing import read
from callmux.clients.entry import Entry
from callmux.clients.program import Program
from callmux.errors import UsageError

PROGRAM = Program("/v/bin/python", None, lambda name: None, lambda path: path)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def entry(*flags: str, config: str | None = None) -> Entry:
    return own_entry(
        "claude", read_entry_options(read(COMMANDS[0], ["print", "claude", *flags]), config), PROGRAM
    )


def test_a_configuration_that_only_this_shell_finds_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "x"))
    assert entry().args[-2:] == ("--config", str(tmp_path / "x" / "callmux" / "config.json"))


def test_flags_choose_between_program_bridge_and_address() -> None:
    start = ("-m", "callmux")
    assert entry() == Entry(command="/v/bin/python", args=start)
    assert entry(config="/x.json").args == (*start, "--config", "/x.json")
    assert entry("--url", "http://h:1/mcp", "--bridge").args == (*start, "bridge", "--url", "http://h:1/mcp")
    assert entry("--url", "http://h:1", "--token-env", "T") == Entry(
        url="http://h:1/mcp", transport="streamable-http", token_env="T"
    )
    assert entry("--url", "http://h:1/sse").transport == "sse"


def test_the_configuration_of_this_shell_stands_in_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client will not have the variable; the original ignores it here. Weak spot C15 of callmux (npm)."""
    monkeypatch.setenv("CALLMUX_CONFIG", "/mine.json")
    assert entry().args[-2:] == ("--config", "/mine.json")
    assert entry(config="/x.json").args[-2:] == ("--config", "/x.json")
    assert "--config" not in entry("--url", "http://h:1/mcp", "--bridge").args


@pytest.mark.parametrize(
    "url", ["", "nota", "ftp://h/mcp", "http://", "http://h:0/mcp", "http://h/a b", "http://[x"]
)
def test_what_is_no_listener_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="must be a valid URL"):
        listener_url(url)


def test_the_running_callmux_knows_its_place() -> None:
    program = this_program()
    assert Path(program.python).is_file()
    assert program.real(program.python) == str(Path(program.python).resolve())
    assert this_machine().home == Path.home()


@pytest.mark.parametrize(
    ("real", "found"),
    [
        ("/usr/lib/node_modules/callmux/dist/bin/callmux.js", True),
        ("/opt/callmux.mjs", True),
        ("/venv/bin/callmux", False),
    ],
)
def test_a_callmux_on_path_may_be_the_one_for_node(real: str, found: bool) -> None:
    program = Program("/p", None, {"callmux": "/usr/bin/callmux"}.get, {"/usr/bin/callmux": real}.__getitem__)
    assert node_commands(program) == ({"callmux", "/usr/bin/callmux", real} if found else set())
    assert node_commands(PROGRAM) == {"callmux"}, "it leads nowhere"
