"""The registry of failures: every code of the source is in it, and every row can be used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from string import Formatter

import pytest

import callmux
from callmux.cli.grammar import table
from callmux.cli.parsing import read
from callmux.errors import CallmuxError
from callmux.failures.registry import ALL, DETAILS, SECTIONS, filled, find, message, next_step, of_state
from callmux.guard import rules
from callmux.upstream.failures import Category
from callmux.upstream.health import State
from tests.architecture import Source

from . import test_calls, test_commands, test_http, test_servers  # noqa: F401 (its stories)
from .scene import STORIES

SOURCE = Path(callmux.__file__).parent
TRIALS = Path(__file__).parents[2] / "docs" / "trials.md"
HEADING = "## No dead ends\n"
COUNTS = """
Of {all} failures {played} are provoked by `tests/failures`, each in a real process; then the next step of its row in [errors.md](errors.md)
is taken, and the same thing works. {own} times it is a step that a program can take: the row's own command line or tool call as it
stands, or what the details of the error name. The others are steps of people (a file is mended, a person says yes, an author
corrects a request), which the tests play. What is not provoked there (`python -m tests.failures` writes this section):

| failure | where else, and why |
| --- | --- |
"""  # noqa: E501


@cache
def read_source() -> dict[str, tuple[list[str], list[int]]]:
    """By the name of each module below `callmux`: its classes, and the lines that raise the base of errors.
    The trees are not kept: whatever collects garbage later would look at millions of nodes."""
    return {
        place: (
            [node.name for node in tree.body if isinstance(node, ast.ClassDef)],
            [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Raise) and raises_the_base(node)],
        )
        for place, tree in Source.of_folder(SOURCE).trees.items()
    }


def raises_the_base(node: ast.Raise) -> bool:
    """Whether it raises the base of all errors."""
    return isinstance(node.exc, ast.Call) and getattr(node.exc.func, "id", "") == "CallmuxError"


def raised() -> Iterator[tuple[str, type[CallmuxError]]]:
    """Every class of the source that is a `CallmuxError`, with its module."""
    for place, (classes, _) in read_source().items():
        if not classes or place.endswith("__main__"):
            continue
        name = f"callmux.{place}".removesuffix(".__init__")
        module = import_module(name)
        for one in classes:
            found = getattr(module, one)
            if issubclass(found, CallmuxError):
                yield f"{name}.{one}", found


def test_every_error_of_the_source_has_a_row() -> None:
    missing = [f"{name}: {kind.code}" for name, kind in raised() if kind.code not in ALL]
    assert not missing, "\n".join(missing)


def test_only_the_base_of_all_errors_is_an_internal_one() -> None:
    """An error without a code of its own would tell its reader to report a defect."""
    shared = [name for name, kind in raised() if kind is not CallmuxError and "code" not in vars(kind)]
    # Each says more of the class above it, whose code is its own.
    refused = [f"callmux.stores.redis_connection.{name}" for name in ("CommandRefused", "_Unknown")]
    assert shared == ["callmux.cli.parsing.ScriptUsageError", *refused]


def test_nobody_raises_an_error_without_a_code() -> None:
    """The base of all errors says that callmux is broken."""
    raises = [f"{place}:{line}" for place, (_, lines) in read_source().items() for line in lines]
    assert raises == []


def test_every_category_of_a_failed_call_has_a_row() -> None:
    assert not [kind for kind in Category if f"tool_call_failed.{kind.value}" not in ALL]


def test_every_state_in_which_a_server_does_not_work_has_a_row() -> None:
    # One that sleeps is started by the next call.
    assert {state for state in State if of_state(state.value) is None} == {State.CONNECTED, State.SLEEPING}


def test_every_status_that_the_listener_refuses_with_has_a_row() -> None:
    statuses = set()
    for path in (SOURCE / "transport" / "http").glob("*.py"):
        statuses |= set(re.findall(r"Refusal\(\s*(\d{3})", path.read_text("utf-8")))
    assert not {f"http_{status}" for status in statuses - {"500"}} - ALL.keys()


def test_an_id_stands_once() -> None:
    ids = [failure.id for failures in SECTIONS.values() for failure in failures]
    assert len(ids) == len(set(ids)) == len(ALL)


@pytest.mark.parametrize("id", ALL)
def test_a_row_can_be_read(id: str) -> None:
    failure = ALL[id]
    assert [text[-1] == "." for text in (failure.what, failure.cause, failure.step)] == [False, True, False]
    names = {name for text in (failure.step, failure.command) for _, name, _, _ in Formatter().parse(text)}
    assert "{" not in filled(failure.step + failure.command, {})
    assert filled("{server}", {"server": "git"}) == "git"
    assert names <= {None, "server", "url", "setting"}


@pytest.mark.parametrize("command", [f.command for f in ALL.values() if f.command.startswith("callmux ")])
def test_a_command_of_a_row_is_one_that_callmux_takes(command: str) -> None:
    words = filled(command, {"server": "x", "url": "http://127.0.0.1:1/mcp"}).split()[1:]
    assert read(table.command(words[0]), words[1:])


@pytest.mark.parametrize(
    ("asked", "id"),
    [("tool_not_found", "tool_not_found"), ("401", "http_401"), (" Reconnecting ", "server_reconnecting")],
)
def test_an_id_may_be_written_short(asked: str, id: str) -> None:
    found = find(asked)
    assert found is not None
    assert found.id == id


def test_what_is_no_id_leads_nowhere() -> None:
    assert find("nothing") is None


def test_stories_and_reasons_are_about_failures_that_there_are() -> None:
    named = {*STORIES, *test_commands.PLAYED, *test_http.WRONG, *test_http.PLAYED}
    excused = {*test_calls.ELSEWHERE, *test_commands.ELSEWHERE, *test_http.ELSEWHERE}
    assert not named & excused
    assert not named - ALL.keys()


def with_counts(page: str) -> str:
    """The page of trials with what is provoked here, and what is not and why."""
    played = {*STORIES, *test_commands.PLAYED, *test_http.WRONG, *test_http.PLAYED}
    own = {id for id, story in STORIES.items() if story.followed} | test_commands.FOLLOWED
    elsewhere = {**test_calls.ELSEWHERE, **test_commands.ELSEWHERE, **test_http.ELSEWHERE}
    before = page.split(HEADING)[0]
    rest = page.split(HEADING)[1].partition("\n## ") if HEADING in page else ("", "", "")
    rows = "".join(f"| `{id}` | {why} |\n" for id, why in elsewhere.items())
    counts = COUNTS.format(all=len(ALL), played=len(played & ALL.keys()), own=len(own))
    return f"{before}{HEADING}{counts}{rows}{rest[1]}{rest[2]}"


def test_what_is_provoked_and_followed_is_counted_in_the_documents() -> None:
    page = TRIALS.read_text("utf-8")
    assert page == with_counts(page), "run: python -m tests.failures"


def test_what_details_say_of_a_denial_is_explained_as_the_denial() -> None:
    codes = {
        value
        for name, value in vars(rules).items()
        if name.isupper() and isinstance(value, str) and value.startswith("authorization_")
    }
    assert {*DETAILS, "authorization_denied"} == codes
    for code in codes:
        assert find(code) is ALL["authorization_denied"]


def test_a_message_ends_with_the_next_step_and_its_command_filled_in() -> None:
    row = ALL["server_disabled"]
    assert (
        next_step(row, {"server": "gh"}) == f"{filled(row.step, {'server': 'gh'})}: callmux server enable gh"
    )
    assert next_step(row, {}).endswith(": callmux server enable SERVER")
    assert message("server_disabled", "it is off", {"server": "gh"}) == (
        f"it is off. To go on, {next_step(row, {'server': 'gh'})}"
    )


def test_a_step_without_a_command_stands_alone() -> None:
    row = next(row for row in ALL.values() if not row.command)
    assert next_step(row, {}) == filled(row.step, {})
