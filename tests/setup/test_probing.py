"""Servers are asked before they are moved."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.doctor.checks import Progress
from callmux.setup.probing import ProbeAnswer, ask_all
from callmux.upstream.probe import ProbeResult

HERE = {"command": sys.executable}


class Told(Progress):
    """Keeps what came of each."""

    def __init__(self) -> None:
        self.results: dict[str, str] = {}

    def finished(self, name: str, result: str) -> None:
        self.results[name] = result


def ask(documents: Any, probe: Any, **secrets: str) -> dict[str, ProbeAnswer]:
    told = Told()
    found = ask_all(documents, secrets, Path("/"), {"V": "v"}, 30, probe, told)
    assert told.results.keys() == {key.partition(":")[2] for key in found}
    return found


async def seen(
    name: str, server: StdioServer | HttpServer, *, timeout_seconds: float, base_dir: Path, **_: object
) -> ProbeResult:
    if isinstance(server, HttpServer):
        return ProbeResult([server.headers["A"]], None)
    return ProbeResult([f"{key}={value}" for key, value in server.env.items()], None)


def test_references_are_resolved_though_their_files_are_not_written_yet() -> None:
    documents = {
        "0:a": {**HERE, "envRefs": {"K": "file:/s/a", "W": "env:V"}},
        "1:b": {"url": "http://h", "headers": {"A": "Bearer ${file:/s/a}"}},
    }
    assert ask(documents, seen, **{"/s/a": "hunter2"}) == {
        "0:a": ProbeAnswer(tools=("K=hunter2", "W=v")),
        "1:b": ProbeAnswer(tools=("Bearer hunter2",)),
    }


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"command": "no-such-program-at-all"}, "not found on PATH"),
        ({**HERE, "envRefs": {"K": "env:NOT_THERE_AT_ALL"}}, "NOT_THERE_AT_ALL"),
        ({**HERE, "args": ["${NOT_THERE_AT_ALL}"]}, "NOT_THERE_AT_ALL"),
        ({**HERE, "callTimeoutMs": "x"}, "callTimeoutMs"),
        ({}, "must have either"),
    ],
)
def test_what_cannot_start_has_a_problem(document: Any, problem: str) -> None:
    """In the original every probe succeeds. Weak spot C3 of callmux (npm)."""
    assert problem in (ask({"0:a": document}, seen)["0:a"].problem or "")


def test_a_disabled_server_is_not_started() -> None:
    assert ask({"0:a": {"command": "no-such-program-at-all", "disabled": True}}, seen) == {
        "0:a": ProbeAnswer()
    }


def test_a_server_that_fails_or_hangs_has_a_problem() -> None:
    async def fails(*_: Any, **__: Any) -> ProbeResult:
        raise OSError("refused")

    async def hangs(*_: Any, **__: Any) -> ProbeResult:
        await asyncio.Event().wait()
        raise AssertionError

    assert ask({"0:a": HERE}, fails)["0:a"].problem == "refused"
    quick = ask_all({"0:a": HERE}, {}, Path("/"), {}, 0.01, hangs, Progress())
    assert quick["0:a"].problem == "no answer within 0.01 s"


def test_a_server_that_says_its_secret_as_it_dies_gives_nothing_away() -> None:
    async def fails(*_: Any, **__: Any) -> ProbeResult:
        return ProbeResult([], "ended (it said: bad key hunter2 at x)")

    answer = ask({"0:a": HERE}, fails, **{"/s/a": "hunter2", "/s/b": "x"})["0:a"]
    assert answer.problem == "ended (it said: bad key [redacted] at x)"


def test_two_servers_of_one_name_are_told_apart_while_they_are_asked() -> None:
    told = Told()
    documents = {"0:a": dict(HERE), "1:b": dict(HERE), "2:a": dict(HERE)}
    ask_all(documents, {}, Path("/"), {}, 30, seen, told)
    assert sorted(told.results) == ["a", "a (2)", "b"]
