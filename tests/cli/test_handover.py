"""A port passes from one process to the next, or stays where it is."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.handover import (
    VARIABLE,
    HandoverFailed,
    Successor,
    hand_over,
    own_command,
    predecessor,
    replaced,
)
from callmux.session.saved_sessions import SavedSessions
from tests.support import SECONDS, real_loop, run, settle

KEY = b"\0\xff"
SAVED = SavedSessions(ended=["a"])
TAKES = """
import asyncio, os, socket
from callmux.cli.handover import predecessor
before = predecessor(os.environ)
assert before is not None and before.key == b"\\0\\xff" and before.saved_sessions.ended == ["a"]
assert not os.get_inheritable(before.listening.fileno())

async def story():
    await before.relieve()
    before.send("session", b"{}")
    loop = asyncio.get_running_loop()
    connection, _ = await loop.sock_accept(before.listening)
    with connection:
        await loop.sock_sendall(connection, b"new")

asyncio.run(story())
"""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield bound


async def handed(listening: socket.socket, program: str, seconds: float = SECONDS) -> Successor | None:
    command = [sys.executable, "-c", program]
    return await hand_over(listening, KEY, SAVED, command, dict(os.environ), seconds)


@real_loop()
async def test_the_new_process_gets_the_port_and_what_belongs_to_it(listening: socket.socket) -> None:
    port = listening.getsockname()[1]

    successor = await handed(listening, TAKES)
    assert successor is not None
    listening.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b"new"
    heard: list[tuple[str, bytes]] = []
    await successor.relay(lambda session, body: heard.append((session, body)))
    assert heard == [("session", b"{}")]
    assert await asyncio.to_thread(successor.process.wait, 20) == 0
    successor.close()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("program", "seconds", "why"),
    [
        ("raise SystemExit(7)", 20.0, "exit code 7"),
        ("import time; time.sleep(60)", 0.2, "did not answer in time"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 20.0, "exit code -9"),
    ],
)
def test_a_process_that_does_not_answer_is_ended_and_named(
    program: str, seconds: float, why: str, listening: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "callmux"):
        assert run(handed(listening, program, seconds), 30) is None
    assert why in caplog.text
    assert listening.fileno() > 0


def test_a_command_that_does_not_exist_any_more_changes_nothing(
    listening: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "callmux"):
        command = [str(tmp_path / "gone")]
        assert run(hand_over(listening, KEY, SAVED, command, {}, 5)) is None
    assert "could not start the new process" in caplog.text


def test_a_process_that_nobody_started_in_place_of_another_has_no_predecessor() -> None:
    assert predecessor({"PATH": "/bin"}) is None


@pytest.mark.parametrize("value", ["", "1,2", "a,b,c", "9990,9991,9992"])
def test_a_variable_that_names_nothing_is_an_error(value: str) -> None:
    env = {VARIABLE: value}
    with pytest.raises(HandoverFailed, match=VARIABLE):
        predecessor(env)
    assert env == {}


def test_the_same_command_is_started_again() -> None:
    command = own_command()
    assert command[0] == sys.executable
    assert command[1:] == sys.orig_argv[1:]


async def test_it_is_tried_again_whenever_somebody_asks_until_it_succeeds() -> None:
    asked, stopped = asyncio.Event(), asyncio.Event()
    outcomes: list[Any] = [None, "successor"]

    async def replace() -> Any:
        return outcomes.pop(0)

    waiting = asyncio.get_running_loop().create_task(replaced(replace, asked, stopped))
    asked.set()
    await settle()
    assert (waiting.done(), len(outcomes)) == (False, 1)
    asked.set()
    found: Any = await waiting
    assert found == "successor"


@pytest.mark.parametrize("how", ["told to stop", "cancelled"])
async def test_an_end_in_the_middle_of_an_attempt_gives_it_up(how: str) -> None:
    """Also where whoever waits for it is cancelled: the process that was started would stay."""
    before = asyncio.all_tasks()
    asked, stopped = asyncio.Event(), asyncio.Event()
    given_up: list[bool] = []

    async def replace() -> Any:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            given_up.append(True)
            raise

    waiting = asyncio.get_running_loop().create_task(replaced(replace, asked, stopped))
    asked.set()
    await settle()
    if how == "cancelled":
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    else:
        stopped.set()
        assert await waiting is None
    assert given_up == [True]
    await settle()
    assert asyncio.all_tasks() == before
