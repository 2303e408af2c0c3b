"""Reading a command line by the table."""

from __future__ import annotations

import pytest

from callmux.cli.grammar.terms import Argument, Command, Option
from callmux.cli.parsing import Given, ScriptUsageError, choose, nearest, read, refusal, take
from callmux.errors import UsageError

COMMAND = Command(
    "frob",
    "s",
    arguments=(Argument("TOOL", "h"), Argument("JSON", "h", required=False)),
    options=(
        Option("--json", "h"),
        Option("--name", "h", "NAME"),
        Option("--header", "h", "NAME:VALUE", repeat=True),
        Option("--port", "h", "PORT", minimum=1, maximum=65535),
        Option("--ms", "h", "MS", minimum=0),
        Option("--count", "h", "N", minimum=1),
        Option("--least", "h", "N", minimum=2),
        Option("--mode", "h", "MODE", choices=("plain", "fancy")),
    ),
)
WITH_REST = Command("run", "s", options=(Option("--json", "h"),), rest="CMD", rest_required=True)
GROUP = Command(
    "server",
    "s",
    subcommands=(
        Command("server set", "s", (Argument("NAME", "h"),), aliases=("edit",)),
        Command("server list", "s", (Argument("KIND", "h", False, choices=("a", "b")),)),
    ),
)


def given(*args: str) -> Given:
    return read(COMMAND, args)


def test_flags_may_stand_anywhere_and_carry_their_value_either_way() -> None:
    found = given("--json", "tool", "--name", "a", '{"x":1}', "--name=b=c", "--port", "80", "--header=A: b")
    assert found.words == ["tool", '{"x":1}']
    assert (found.word(0), found.word(1), found.word(2)) == ("tool", '{"x":1}', None)
    assert found.on("--json")
    assert (found.text("--name"), found.number("--port")) == ("b=c", 80)
    assert found.all("--header") == ["A: b"]


def test_what_was_not_given_is_none() -> None:
    found = given("tool")
    assert (found.on("--json"), found.text("--name"), found.number("--port")) == (False, None, None)
    assert found.all("--header") == []
    assert found.rest is None


def test_repeated_flags_keep_their_order() -> None:
    assert given("tool", "--header", "a:1", "--header", "b:2").all("--header") == ["a:1", "b:2"]


def test_words_with_one_dash_are_arguments_where_there_are_any() -> None:
    assert given("tool", "-").words == ["tool", "-"]
    assert given("tool", "-5").words == ["tool", "-5"]
    with pytest.raises(UsageError, match='Unknown run option "-x"'):
        read(WITH_REST, ["-x", "--", "a"])


def test_after_two_dashes_nothing_is_a_flag() -> None:
    assert given("--json", "--", "tool", "--name").words == ["tool", "--name"]
    assert read(WITH_REST, ["--json", "--", "a", "--", "--json"]).rest == ["a", "--", "--json"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "TOOL is missing. Usage: callmux frob TOOL [JSON] [options]"),
        (["a", "b", "c"], 'Unknown argument "c"'),
        (["a", "--nam", "x"], 'Unknown frob option "--nam" (did you mean "--name"?)'),
        (["a", "--zzzzzz"], 'Unknown frob option "--zzzzzz". Usage'),
        (["a", "--name"], "Missing value for --name"),
        (["a", "--json=yes"], "--json takes no value"),
        (["a", "--port", "0"], '--port must be an integer from 1 to 65535, not "0"'),
        (["a", "--port", "65536"], "--port must be an integer from 1 to 65535"),
        (["a", "--ms", "-1"], "--ms must be a non-negative integer"),
        (["a", "--ms", "1.5"], "--ms must be a non-negative integer"),
        (["a", "--ms", "٣"], "--ms must be a non-negative integer"),
        (["a", "--count", "0"], "--count must be a positive integer"),
        (["a", "--least", "1"], "--least must be an integer of at least 2"),
        (["a", "--mode", "fanci"], '--mode must be plain or fancy, not "fanci" (did you mean "fancy"?)'),
    ],
)
def test_what_cannot_be_understood_is_refused_with_what_there_is(args: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(COMMAND, args)
    assert says in caught.value.message
    assert caught.value.exit_code == 1


def test_a_command_for_a_server_needs_one() -> None:
    for args in ([], ["--"]):
        with pytest.raises(UsageError, match="CMD is missing after --"):
            read(WITH_REST, args)


def test_the_first_word_chooses_a_sub_command() -> None:
    assert read(GROUP, ["set", "x"]).command.name == "server set"
    assert read(GROUP, ["edit", "x"]).command.name == "server set"
    assert read(GROUP, ["list"]).words == []
    assert choose(GROUP, ["list", "a"]).name == "server list"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "Which of set, edit, list?"),
        (["lst"], 'Unknown server command "lst" (did you mean "list"?)'),
        (["set"], "NAME is missing. Usage: callmux server set NAME"),
        (["list", "c"], 'KIND must be one of a, b, not "c"'),
    ],
)
def test_a_sub_command_that_there_is_not_is_refused(args: list[str], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(GROUP, args)
    assert says in caught.value.message


def test_commands_for_scripts_have_an_exit_code_of_their_own() -> None:
    error = refusal(Command("call", "s", usage_exit=2), "missing value for --x")
    assert (error.exit_code, error.message) == (2, "Error: missing value for --x. Usage: callmux call")


def test_only_what_is_near_is_suggested() -> None:
    assert nearest("docter", ["doctor", "demo"]) == ' (did you mean "doctor"?)'
    assert nearest("zzz", ["doctor", "demo"]) == ""


def test_what_every_command_takes_is_taken_from_anywhere_before_the_command() -> None:
    own = Command("", "s", options=(Option("--config", "c", "PATH"), Option("--help", "h", aliases=("-h",))))
    left, found = take(own, ["call", "--config", "a", "-h", "t", "--x=1", "--config=b=c", "--", "-h"])
    assert (left, found.text("--config"), found.on("--help")) == (
        ["call", "t", "--x=1", "--", "-h"],
        "b=c",
        True,
    )
    assert take(own, [])[0] == []
    for words in (["--config"], ["--config", "--"], ["--config="]):
        with pytest.raises(UsageError, match="Missing value for --config"):
            take(own, words)


def test_a_flag_has_other_spellings_and_an_exit_code_of_its_own() -> None:
    port = Option("--port", "p", "PORT", minimum=1, aliases=("-p",), usage_exit=2)
    command = Command("x", "s", options=(port,))
    assert read(command, ["-p", "5"]).number("--port") == 5
    for words in (["-p", "0"], ["--port"]):
        with pytest.raises(ScriptUsageError):
            read(command, words)
