"""A person at a terminal answers for calls that wait, in whichever process they wait."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import approve
from callmux.cli.main import main
from callmux.clock import Clock
from callmux.guard.approvals import Asker, Need, Ruling, Subject
from callmux.guard.projects import Projects
from callmux.process.control import served
from callmux.process.desk import Desk

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


class _Session:
    pass


class Running:
    """A process with calls that wait, played by a thread.

    Attributes:
        ruled: How questions ended.
        config: Its configuration file.
    """

    def __init__(self, state: Path, config: Path) -> None:
        self.config = config
        self.ruled: list[Ruling] = []
        self.session = _Session()
        self._env = {"XDG_STATE_HOME": str(state)}
        self._desk = Desk(state / "callmux", single=True, clock=Clock())
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(20)

    async def _serve(self) -> None:
        async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
            if request["method"] == "approvals":
                return self._desk.waiting()
            return self._desk.answer(request.get("id"), request.get("choice"))

        async with served(self.config, self._env, answer):
            self._ready.set()
            await self._over.wait()

    def wait(self, *arguments: str, directory: str | None = "/p") -> str:
        """Lets calls wait; gives the id."""
        subject = Subject("gh", "tools/call", "delete", "d")
        needs = [Need(subject=subject, tier="destroy", arguments=text.encode()) for text in arguments]
        asker = Asker(session=self.session, client="claude", principal="bearer:a", directory=directory)
        return self._desk.approval().approvals.put(needs, asker, 60.0, self.ruled.append).id

    @property
    def allowed(self) -> list[bool]:
        return [ruling.allowed for ruling in self.ruled]

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)
        self._loop.close()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="cm", dir="/tmp") as state:
        monkeypatch.setenv("XDG_STATE_HOME", state)
        monkeypatch.setenv("HOME", str(tmp_path))
        config = tmp_path / "c.json"
        config.write_text('{"servers": {}}')
        process = Running(Path(state), config)
        try:
            yield process
        finally:
            process.end()


class Person(io.StringIO):
    """Somebody at a terminal, who types one answer after the other."""

    def isatty(self) -> bool:
        return True

    def types(self, *lines: str) -> None:
        self.write("".join(f"{line}\n" for line in lines))
        self.seek(0)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    made = Person()
    monkeypatch.setattr(sys, "stdin", made)
    monkeypatch.setattr(approve, "_on_terminal", lambda: True)
    return made


def test_nothing_waits(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve"]) == 0
    assert "Nothing waits" in capsys.readouterr().err
    assert main(["approve", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_what_waits_is_listed(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    id = running.wait('{"repo":"x"}', '{"repo":"y"}')
    assert main(["approve"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{id}  claude for bearer:a in /p: waits 0 s, ")
    assert lines[1:5] == [
        "  1. gh: delete (destroy)",
        '     {"repo":"x"}',
        "  2. gh: delete (destroy)",
        '     {"repo":"y"}',
    ]
    assert main(["approve", "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["id"] == id
    assert shown["choices"] == ["once", "session", "project", "deny"]
    assert running.ruled == []


def test_a_script_cannot_allow_anything(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor an agent that read in an error what to run."""
    id = running.wait("{}")
    assert main(["approve", id]) != 0
    assert "only a person allows a call" in capsys.readouterr().err
    assert main(["approve", "--watch"]) != 0
    assert running.ruled == []
    assert main(["approve", id, "--deny"]) == 0
    assert running.allowed == [False]
    assert f"{id}: refused" in capsys.readouterr().out


@pytest.mark.parametrize("scope", ["once", "session", "project"])
def test_a_person_allows_by_id(
    running: Running, person: Person, scope: str, capsys: pytest.CaptureFixture[str]
) -> None:
    id = running.wait("{}")
    assert main(["approve", id, "--for", scope]) == 0
    assert running.allowed == [True]
    assert f"{id}: allowed" in capsys.readouterr().out
    assert main(["approve", id]) == 1
    assert "Nothing with the id" in capsys.readouterr().err


def test_a_choice_that_is_not_offered_is_refused(
    running: Running, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    id = running.wait("{}", directory=None)
    assert main(["approve", id, "--for", "project"]) == 1
    assert "is no choice here" in capsys.readouterr().err
    assert running.ruled == []


@pytest.mark.parametrize(
    ("typed", "allowed"),
    [(["y"], [True]), (["S"], [True]), (["n"], [False]), (["x", "maybe", "p"], [True]), ([""], []), ([], [])],
)
def test_on_a_terminal_a_person_is_asked_about_each(
    running: Running,
    person: Person,
    typed: list[str],
    allowed: list[bool],
    capsys: pytest.CaptureFixture[str],
) -> None:
    running.wait("{}")
    person.types(*typed)
    assert main(["approve"]) == 0
    assert running.allowed == allowed
    prompt = "Allow? (y this time, s for this session, p for this project, n refuse, Enter later) "
    assert capsys.readouterr().err.startswith(prompt)


def test_what_is_not_offered_cannot_be_typed(
    running: Running, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    running.wait("{}", directory=None)
    person.types("p", "y")
    assert main(["approve"]) == 0
    assert capsys.readouterr().err.count("Allow?") == 2
    assert running.allowed == [True]


def test_watching_asks_about_each_once(
    running: Running, person: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    running.wait("{}")
    running.wait('{"a":1}')
    person.types("y", "", "y")
    assert approve.run(["--watch"], None, rounds=2) == 0
    assert capsys.readouterr().err.count("Allow?") == 2
    assert running.allowed == [True]


def test_with_a_configuration_only_its_processes_are_asked(
    running: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running.wait("{}")
    other = tmp_path / "other.json"
    other.write_text('{"servers": {}}')
    assert main(["--config", str(other), "approve", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["--config", str(running.config), "approve", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_nothing_that_is_shown_plays_with_the_screen(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    running.wait('{"a":"\\u001b[2J"}', '"\x1b]0;title\x07"')
    assert main(["approve"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out


def test_what_was_allowed_for_projects_is_listed_and_forgotten(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmux.places import state_dir

    projects = Projects(state_dir({"XDG_STATE_HOME": str(running._env["XDG_STATE_HOME"])}) / "approvals.json")
    assert main(["approve", "--remembered"]) == 0
    assert "Nothing was allowed" in capsys.readouterr().err
    projects.add("/p", "bearer:a", [Subject("gh", "tools/call", "delete", "d")])
    projects.add("/p", "", [Subject("gh", "tools/call", "make", "d"), Subject("x", "tools/call", "t", "d")])
    assert main(["approve", "--remembered"]) == 0
    assert "gh__delete in /p for bearer:a, since 20" in capsys.readouterr().out
    assert main(["approve", "--remembered", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3
    assert main(["approve", "--forget", "gh__delete"]) == 0
    assert [decision.target for decision in projects.all()] == ["make", "t"]
    assert main(["approve", "--forget", "gh"]) == 0
    assert [decision.target for decision in projects.all()] == ["t"]
    assert main(["approve", "--forget", "nothing"]) == 1
    assert main(["approve", "--forget", "all"]) == 0
    assert projects.all() == []


@pytest.mark.parametrize(
    "words",
    [
        ["--deny"],
        ["--for", "session"],
        ["a", "--deny", "--for", "once"],
        ["a", "--json"],
        ["--watch", "--json"],
        ["a", "--watch"],
        ["--for", "ever", "a"],
        ["a", "--forget", "b"],
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", *words]) == 1
    assert "Usage: callmux approve" in capsys.readouterr().err
