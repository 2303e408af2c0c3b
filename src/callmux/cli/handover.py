"""A listener's port passes from one process to the next without being closed: how a new version takes over.

Called by `callmux.cli.listen` on both sides. The old process starts the same command once more and lets it
inherit the listening socket, one end of a channel, and a file with what the sessions need. The new one
connects its servers, begins to answer, and says so on the channel; only then does the old one leave. If it
never says so, nothing changes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from callmux.errors import CallmuxError
from callmux.session.saved_sessions import SavedSessions
from callmux.tasks import at_once, first_of

if TYPE_CHECKING:
    from callmux.transport.http.listener import Listener
    from callmux.transport.http.serve import HttpServer

log = logging.getLogger("callmux")

VARIABLE = "CALLMUX_HANDOVER"
"""Holds the descriptors of socket, channel and file; never reaches a server."""
READY = b"ready\n"
LONGEST_LINE = 256 * 1024 * 1024
GRACE_SECONDS = 1.0
"""How long connections are kept for requests that are on their way when another process takes over."""
STEP_SECONDS = 0.02
END_SECONDS = 5.0
"""How long a process that failed may take to end."""


class Predecessor:
    """The process before us, which still answers.

    Attributes:
        listening: Its listening socket, ours from now on.
        key: Seals session ids.
        saved_sessions: What its sessions leave.
    """

    def __init__(
        self, listening: socket.socket, channel: socket.socket, key: bytes, saved_sessions: SavedSessions
    ) -> None:
        self.listening = listening
        self.key = key
        self.saved_sessions = saved_sessions
        self._channel = channel
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def relieve(self) -> None:
        """Tells it that we answer now."""
        self._streams = await asyncio.open_unix_connection(sock=self._channel)
        self._streams[1].write(READY)

    def send(self, session: str, body: bytes) -> None:
        """Passes a message on that is about something in flight there, with its session's id."""
        # Once it has ended, there is nobody whom this could concern.
        if self._streams is not None and not self._streams[1].is_closing():
            self._streams[1].write(msgspec.json.encode((session, body)) + b"\n")


class Successor:
    """The process after us, which answers now.

    Attributes:
        process: The process.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    async def relay(self, take: Callable[[str, bytes], None]) -> None:
        """Hands over what comes to it and is for us, for as long as it lasts."""
        while line := await self._reader.readline():
            session, body = msgspec.json.decode(line, type=tuple[str, bytes])
            take(session, body)

    def close(self) -> None:
        """Closes the channel."""
        self._writer.close()


class HandoverFailed(CallmuxError):
    """What a process passed on to the one that takes its place cannot be used."""

    code = "handover_failed"


def predecessor(env: MutableMapping[str, str]) -> Predecessor | None:
    """The process that started us to take its place; None where none did. Takes the variable out of `env`.

    Raises:
        HandoverFailed: What it passed on cannot be used.
    """
    given = env.pop(VARIABLE, None)
    if given is None:
        return None
    try:
        numbers = [int(part) for part in given.split(",")]
        for number in numbers:
            os.set_inheritable(number, False)
        listening, channel, handover_file = numbers
        with open(handover_file, "rb") as file:
            key, saved_sessions = msgspec.json.decode(file.read(), type=tuple[bytes, SavedSessions])
        taken = socket.socket(fileno=listening)
        taken.setblocking(False)
        return Predecessor(taken, socket.socket(fileno=channel), key, saved_sessions)
    except (ValueError, OSError, msgspec.MsgspecError) as error:
        raise HandoverFailed(f"{VARIABLE} is set, but what it names cannot be taken over: {error}") from None


def own_command() -> list[str]:
    """What started this process, to be started again: the same interpreter, the same arguments."""
    return [sys.executable, *sys.orig_argv[1:]]


async def hand_over(
    listening: socket.socket,
    key: bytes,
    saved_sessions: SavedSessions,
    command: Sequence[str],
    env: Mapping[str, str],
    seconds: float,
) -> Successor | None:
    """Starts the process that is to follow; None if it does not come to answer: then it is ended, and this is
    logged.

    Args:
        listening: The port.
        key: Seals session ids.
        saved_sessions: What the sessions leave.
        command: What to start.
        env: Its environment.
        seconds: How long it may take until it answers.
    """
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=LONGEST_LINE)
    process = _start(listening, theirs, msgspec.json.encode((key, saved_sessions)), command, env)
    if process is None:
        writer.close()
        return None
    log.info("started process %d to take over", process.pid)
    reason = "it did not answer in time"
    try:
        async with asyncio.timeout(seconds):
            if await reader.readline() == READY:
                return Successor(process, reader, writer)
            reason = "it ended before it answered; the lines above say why"
    except TimeoutError:
        process.terminate()
    except asyncio.CancelledError:
        process.terminate()
        await _end(process)
        raise
    writer.close()
    code = await _end(process)
    log.error("process %d does not take over, this one goes on: %s (exit code %s)", process.pid, reason, code)
    return None


def _start(
    listening: socket.socket,
    channel: socket.socket,
    state: bytes,
    command: Sequence[str],
    env: Mapping[str, str],
) -> subprocess.Popen[bytes] | None:
    from tempfile import TemporaryFile

    with channel, TemporaryFile() as handover_file:
        handover_file.write(state)
        handover_file.seek(0)
        passed = (listening.fileno(), channel.fileno(), handover_file.fileno())
        try:
            more = {VARIABLE: ",".join(map(str, passed))}
            return subprocess.Popen(command, env={**env, **more}, pass_fds=passed)
        except OSError as error:
            log.error("could not start the new process, so this one goes on: %s", error)
            return None


async def _end(process: subprocess.Popen[bytes]) -> int | None:
    """Waits for the end of a process that is of no use, and brings it about; its exit code."""
    loop = asyncio.get_running_loop()
    end = loop.time() + END_SECONDS
    while (code := process.poll()) is None:
        if loop.time() > end:
            process.kill()
        await asyncio.sleep(STEP_SECONDS)
    return code


async def replaced(
    replace: Callable[[], Coroutine[Any, Any, Successor | None]], asked: asyncio.Event, *ends: asyncio.Event
) -> Successor | None:
    """Waits until this process is to end; the one that answers in its place by then, if there is one.

    Args:
        replace: Tries to start it.
        asked: Set each time that somebody asks for it.
        ends: Set where this process is to end without.
    """
    while True:
        await first_of(asked, *ends)
        if any(end.is_set() for end in ends):
            return None
        asked.clear()
        attempt = at_once(replace())
        waits = [at_once(end.wait()) for end in ends]
        try:
            await asyncio.wait([attempt, *waits], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            if not attempt.done():
                # It ends the process that it has started.
                attempt.cancel()
                await asyncio.wait([attempt])
        if attempt.cancelled():
            continue
        successor: Successor | None = attempt.result()
        if successor is not None:
            return successor


async def give_way(server: HttpServer, listener: Listener, seconds: float, stopped: asyncio.Event) -> None:
    """Leaves the port to the process that answers now, without losing a request.

    Clients learn with their next answer that this connection ends, and begin another; so whoever is busy
    never meets a closed one. What is in flight finishes here, within `seconds` and until we are
    told to stop.
    """
    log.info("another process answers now; finishing what is in flight")
    listener.leaving = True
    await server.stop_accepting()
    began = listener.now()
    while (spent := listener.now() - began) < max(seconds, GRACE_SECONDS) and not stopped.is_set():
        busy = listener.let_go()
        if spent > GRACE_SECONDS and not server.let_go() and not busy:
            break
        await asyncio.sleep(STEP_SECONDS)
    await listener.drain(0)
