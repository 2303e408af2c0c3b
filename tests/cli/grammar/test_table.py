"""The table of commands is complete, keeps to its own rules, and says what the commands do.

It is also the test of the modules beside it: they are data.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from callmux.cli import inline
from callmux.cli.commands import COMMANDS
from callmux.cli.grammar import serve
from callmux.cli.grammar.shared import EVERYBODYS
from callmux.cli.grammar.table import SECTIONS, command, everything, run_mode, with_subcommands
from callmux.cli.grammar.terms import Command
from callmux.cli.parsing import read, take
from callmux.config.model import Config, StdioServer
from callmux.config.profiles import Profile
from tests.support import SECONDS

EVERYTHING = list(everything())
NAMED = pytest.mark.parametrize("entry", EVERYTHING, ids=lambda entry: entry.name or "run mode")


def test_every_command_stands_under_one_heading() -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_run(name: str) -> None:
    module = import_module(f"callmux.cli.{COMMANDS[name]}")
    assert callable(getattr(module, "run" if COMMANDS[name] == name else name))


def test_sub_commands_come_after_their_command() -> None:
    server = command("server")
    assert next(with_subcommands(server)) == server
    assert all(sub.name.startswith("server ") for sub in server.subcommands)


def test_a_name_that_is_no_command_is_refused() -> None:
    with pytest.raises(KeyError):
        command("frob")


@NAMED
def test_every_text_is_one_plain_line(entry: Command) -> None:
    """No full stop, as the help adds what belongs behind it."""
    texts = [
        entry.summary,
        *(option.help for option in entry.options),
        *(argument.help for argument in entry.arguments),
        *(example.help for example in entry.examples),
    ]
    assert not [text for text in texts if not text or "\n" in text or text.endswith(".")]


@NAMED
def test_flags_are_spelled_alike_and_named_once(entry: Command) -> None:
    names = [option.name for option in entry.options]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"--[a-z]+(-[a-z]+)*", name) for name in names)
    assert not [option for option in entry.options if option.choices and not option.value]
    assert not [option for option in entry.options if option.minimum is not None and not option.value]


@NAMED
def test_every_example_is_a_command_line_that_is_understood(entry: Command) -> None:
    if not entry.subcommands:
        assert entry.examples, f"{entry.name} has no example"
    for example in entry.examples:
        words = shlex.split(example.line.split(" | ")[-1].split(" < ")[0].split(" > ")[0].split(" >> ")[0])
        assert words[0] == "callmux"
        args, _ = take(EVERYBODYS, words[1:])
        if not entry.name:
            read(entry, args)
            continue
        assert args[0] in COMMANDS
        top = command(args[0])
        assert entry in list(with_subcommands(top))
        assert read(top, args[1:]).command == entry


def test_run_mode_is_what_is_run() -> None:
    """`cli.inline` says what these flags mean."""
    inline_names = {option.name for option in serve.INLINE_OPTIONS}
    global_names = {option.name for option in serve.GLOBAL_OPTIONS}
    assert global_names == {*inline.SWITCHES, *inline.NUMBERS, *inline.TEXTS, inline.ONLY}
    assert {o.name for o in serve.GLOBAL_OPTIONS if not o.value} == set(inline.SWITCHES)
    assert {o.name for o in serve.GLOBAL_OPTIONS if o.minimum is not None} == set(inline.NUMBERS)
    server = StdioServer(command="x")
    values = {"A,B": "a", "KEY=VALUE": "K=v", "NAME:VALUE": "A:b", "URL": "http://h/mcp"}
    for option in run_mode().options[4:]:
        if option.name in inline_names | global_names:
            example = option.choices[0] if option.choices else values.get(option.value, "5")
            remote = option.name in ("--url", "--transport", "--header")
            words = [option.name, *([example] if option.value else [])]
            target = ["--url", "http://h/mcp"] if remote else ["--", "srv"]
            if option.name == "--only":  # chooses among the servers of a file
                assert inline.override(Config(servers={"a": server}), read(run_mode(), words)).servers == {
                    "a": server
                }
            elif option.name == "--profile":  # the same for its profiles
                chosen = Config(profiles={example: Profile()})
                assert inline.override(chosen, read(run_mode(), words)).profile == example
            else:
                assert inline.inline_config(read(run_mode(), [*words, *target])).servers


def test_the_table_is_plain_data() -> None:
    """Whoever starts a command pays for its part of it."""
    names = ", ".join(f"callmux.cli.grammar.{module}" for module in {*COMMANDS.values(), "serve", "shared"})
    code = f"import sys, callmux.cli.main; before = set(sys.modules); import {names}; "
    code += "print(*set(sys.modules) - before)"
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    assert [name for name in loaded if not name.startswith("callmux.cli.grammar")] == []
