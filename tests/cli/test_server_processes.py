"""Whether a server that is added gets one process for all directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.cli.server_processes import ask_about, of_entry, said, with_mode
from callmux.clients.dependence import UNCHANGED, Compared
from callmux.config.servers import StdioServer
from callmux.setup.processes import UNKNOWN, CwdChoice

MEMORY = {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]}
UNSURE = CwdChoice(None, UNKNOWN, guessed=True)


def test_what_is_known_is_set_and_said() -> None:
    found = of_entry(MEMORY)
    assert found is not None
    assert with_mode(MEMORY, found) == {**MEMORY, "cwdMode": "global"}
    assert said(found) == (
        'it gets one process for all directories ("cwdMode": "global"): what it lists and answers is the same'
        " in every directory"
    )
    git = of_entry({"command": "uvx", "args": ["mcp-server-git"]})
    assert git is not None
    assert git.mode == "session"
    assert "for each directory" in said(git)


def test_what_nobody_knows_stays_as_it_was_and_says_how_to_change_it() -> None:
    found = of_entry({"command": "odd"})
    assert found == UNSURE
    assert with_mode({"command": "odd"}, found) == {"command": "odd"}
    assert with_mode({"command": "odd"}, None) == {"command": "odd"}
    assert said(UNSURE).endswith("; --cwd-mode global gives one for all")


@pytest.mark.parametrize(
    "entry",
    [{**MEMORY, "cwdMode": "session"}, {**MEMORY, "requireSessionCwd": True}, {"url": "https://h/mcp"}],
)
def test_an_entry_that_says_it_itself_or_has_no_directory_is_left_alone(entry: dict[str, Any]) -> None:
    assert of_entry(entry) is None


def test_an_entry_with_a_directory_of_its_own_works_there() -> None:
    """Whoever named the directory has decided: the entry stays as it was given."""
    assert of_entry({"command": "node", "args": ["dist/index.js"], "cwd": "/srv/app"}) is None
    relative = of_entry({"command": "node", "args": ["dist/index.js"], "cwd": "app"})
    assert relative is not None
    assert relative.mode == "session"


def test_an_answer_to_the_same_command_goes_on() -> None:
    entry = {"command": "odd", "args": ["a"]}
    before = {**entry, "cwdMode": "session"}
    assert of_entry(entry, before) == CwdChoice("session", "you said so before")
    assert of_entry({"command": "odd"}, before) == UNSURE
    assert of_entry({**entry, "cwd": "elsewhere"}, before) == UNSURE


async def decided(
    compared: Compared, answer: str | None, command: str = "odd"
) -> tuple[CwdChoice, list[str]]:
    asked: list[str] = []

    async def compare(name: str, server: StdioServer, **_: object) -> Compared:
        return compared

    async def ask(name: str, found: CwdChoice) -> str | None:
        asked.append(found.reason)
        return answer

    server = StdioServer(command=command)
    return await ask_about("n", server, Path(), UNSURE, compare, ask), asked


async def test_a_person_is_asked_where_the_trial_does_not_tell_everything() -> None:
    assert await decided(Compared(), "session") == (CwdChoice("session", "you said so"), [UNCHANGED])
    assert await decided(Compared(), None) == (CwdChoice("global", UNCHANGED, guessed=True), [UNCHANGED])


async def test_nobody_is_asked_where_the_trial_tells() -> None:
    assert await decided(Compared(changes="it changes"), None) == (CwdChoice("session", "it changes"), [])


async def test_nobody_is_asked_about_a_server_that_does_not_work() -> None:
    assert await decided(Compared(problem="it crashed"), "global") == (UNSURE, [])


async def test_a_server_that_cannot_be_started_is_not_tried() -> None:
    assert await decided(Compared(), "session", "${NOT_SET_HERE}") == (UNSURE, [])
