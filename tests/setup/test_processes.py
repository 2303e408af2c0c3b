"""How many processes a chosen server gets."""

from __future__ import annotations

import pytest

from callmux.clients.dependence import UNCHANGED, Compared
from callmux.clients.entry import Entry
from callmux.setup.processes import (
    ROOTS,
    UNKNOWN,
    CwdChoice,
    can_be_stopped,
    decision,
    is_tried,
    process_keys,
    process_lines,
    stop_lines,
)

TIME = Entry(command="uvx", args=("mcp-server-time",))
GIT = Entry(command="uvx", args=("mcp-server-git",))
ODD = Entry(command="npx", args=("-y", "odd"))
FIXED = Entry(command="uv", args=("--directory", "/x", "run", "odd"))
FAR = Entry(url="https://h/mcp")


def test_what_is_known_is_neither_tried_nor_asked_about() -> None:
    for entry, mode in ((TIME, "global"), (GIT, "session")):
        found = decision(entry, None)
        assert found is not None
        assert (found.mode, found.guessed) == (mode, False)
        assert not is_tried(entry)
    assert decision(FAR, None) is None
    assert not is_tried(FAR)


@pytest.mark.parametrize(
    ("compared", "wanted"),
    [
        (None, CwdChoice(None, UNKNOWN, guessed=True)),
        (Compared(problem="it crashed"), CwdChoice(None, UNKNOWN, guessed=True)),
        (Compared(changes="its tools change"), CwdChoice("session", "its tools change")),
        (Compared(asks_for_roots=True), CwdChoice("session", ROOTS)),
        (Compared(), CwdChoice("global", UNCHANGED, guessed=True)),
        (Compared(speaks_of="path"), CwdChoice(None, f'{UNKNOWN}: it speaks of "path"', guessed=True)),
    ],
)
def test_what_is_not_known_is_decided_by_what_it_showed(compared: Compared | None, wanted: CwdChoice) -> None:
    assert is_tried(ODD)
    assert decision(ODD, compared) == wanted


def test_a_server_with_a_directory_of_its_own_works_there_unless_it_asks_for_roots() -> None:
    assert is_tried(FIXED)
    assert decision(FIXED, Compared(speaks_of="path")) == CwdChoice(
        "global", "it works in /x, whoever calls it"
    )
    assert decision(FIXED, Compared(asks_for_roots=True)) == CwdChoice("session", ROOTS)
    assert decision(FIXED, None) == CwdChoice("global", "it works in /x, whoever calls it", guessed=True)
    there = Entry(command="npx", args=("odd",), cwd="/x")
    assert is_tried(there)
    for compared in (Compared(), Compared(changes="its tools change with the directory")):
        assert decision(there, compared) == CwdChoice("global", "it works in /x, whoever calls it")
    assert decision(there, Compared(changes="c", asks_for_roots=True)) == CwdChoice("session", ROOTS)


def test_a_server_of_a_project_goes_on_working_there() -> None:
    there = CwdChoice("global", "it works in /p, whoever calls it")
    assert decision(Entry(command="./srv"), None, "/p") == there
    assert decision(GIT, Compared(asks_for_roots=True), "/p") == there
    assert not is_tried(ODD, "/p")
    assert not is_tried(Entry(command="npx", args=("odd",), disabled=True))


def test_the_keys_say_what_was_decided() -> None:
    known = decision(TIME, None)
    assert process_keys(TIME, known, None) == {"cwdMode": "global"}
    assert process_keys(TIME, known, 60) == {"cwdMode": "global", "start": "lazy", "idleStopSeconds": 60}
    assert process_keys(ODD, decision(ODD, None), 60) == {}
    assert process_keys(FAR, None, 60) == {}
    assert can_be_stopped(TIME)
    assert not can_be_stopped(FAR)


def test_people_are_told_why_and_how_to_change_it() -> None:
    lines = process_lines(
        {
            "time": CwdChoice("global", "the same everywhere"),
            "git": CwdChoice("session", "it works there"),
            "odd": CwdChoice(None, UNKNOWN, guessed=True),
            "new": CwdChoice("global", UNCHANGED, guessed=True),
        }
    )
    assert lines == [
        "  time                 one for all directories: the same everywhere",
        "  git                  one for each directory: it works there",
        f"  odd                  one for each directory: {UNKNOWN}. If it does not matter: "
        "callmux server set odd --cwd-mode global",
        f"  new                  one for all directories: {UNCHANGED}. If it matters all the same: "
        "callmux server set new --cwd-mode session",
    ]
    assert stop_lines([], 60) == []
    assert "time, fetch: --idle-stop 600 starts such servers" in stop_lines(["time", "fetch"], None)[0]
    assert stop_lines(["time"], 60) == ["  Started when used, stopped after 60 s without use: time"]
