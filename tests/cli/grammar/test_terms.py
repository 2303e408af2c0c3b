"""The words of the table of commands."""

from __future__ import annotations

import pytest

from callmux.cli.grammar.terms import Argument, Command, Option


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
