"""The words of the table of commands."""

from __future__ import annotations

import pytest

from callmux.cli.grammar.terms import Argument, Command, Example, Option


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        (Command("init", "s"), "callmux init"),
        (Command("", "s", options=(Option("--a", "h"),), rest="CMD"), "callmux [options] [-- CMD]"),
        (
            Command(
                "x add", "s", (Argument("NAME", "h"), Argument("TOOL", "h", False, True)), (), "CMD", True
            ),
            "callmux x add NAME [TOOL...] -- CMD",
        ),
        (
            Command("x", "s", subcommands=(Command("x add", "s"), Command("x set", "s"))),
            "callmux x add|set ...",
        ),
    ],
)
def test_the_usage_says_what_has_to_be_there(command: Command, usage: str) -> None:
    assert command.usage == usage


def test_a_sub_command_is_chosen_by_its_last_word() -> None:
    assert Command("server add", "s").word == "add"
    assert Command("init", "s").word == "init"


def test_a_word_with_another_attribute_is_another_word() -> None:
    option = Option("--yes", "do it", repeat=True)
    other = option.but(help="write it")
    assert (other.name, other.help, other.repeat) == ("--yes", "write it", True)
    assert option.help == "do it"
    assert repr(other) == "Option('--yes')"


def test_an_example_is_a_line_and_what_it_does() -> None:
    example = Example("callmux init", "write a configuration")
    assert (example.line, example.help) == ("callmux init", "write a configuration")
