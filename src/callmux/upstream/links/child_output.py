"""What a child process says: its messages, what it writes to stderr, and its end.

Made by `callmux.upstream.links.child`, called by the event loop. Nobody may listen yet when a child begins to
speak: then what it says is kept until somebody does.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from typing import cast

from callmux.config.veil import Veil
from callmux.protocol.jsonrpc import of_server
from callmux.protocol.lines import LineBuffer, Long, Oversized, responses_in
from callmux.text import quiet
from callmux.upstream import failures
from callmux.upstream.links.link import Listener

EXITED_SECONDS = 0.1
"""How long a child that has ended may hold its pipes: what it started may do so for good."""
TURNS = 8
"""Turns of the loop from what a pipe holds, or its end, to who hears of it: on asyncio four."""
REST_SECONDS = 5.0
"""How long such pipes are read at most, where they bring something again and again."""
SILENT_SECONDS = 0.3
"""How long a child that has closed its output may take to end, so that its exit code tells more."""
KEPT_LINES = 60
LONGEST_SHOWN = 2000
MOST_LINES = 200
"""Lines that are taken in one turn of the loop: a pipe may bring 30,000 of them at once."""


class ChildOutput(asyncio.SubprocessProtocol):
    """The protocol of one child process.

    Args:
        show: Takes each line the child writes to stderr, without its end.
        veil: Hides its secrets there.

    Attributes:
        listener: Who hears it; None before `hear` and after `hush`.
        stderr: The last lines it wrote there.
    """

    def __init__(self, show: Callable[[str], None], veil: Veil) -> None:
        self.listener: Listener | None = None
        self._unheard = True
        self._veil = veil
        self.stderr: deque[str] = deque(maxlen=KEPT_LINES)
        self._show = show
        self._lines = LineBuffer()
        self._errors = LineBuffer(LONGEST_SHOWN)
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._open = {1, 2}
        self._later: deque[bytes | Long | Oversized] = deque()
        self._waits = False
        self._heard = False
        self._until = inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def hear(self, listener: Listener) -> None:
        """Somebody listens from now on: what the child has said so far comes first."""
        self.listener, self._unheard = listener, False
        asyncio.get_running_loop().call_soon(self._take_some)

    def hush(self) -> None:
        """Nobody wants to hear anything any more."""
        self.listener, self._unheard = None, False

    async def ended(self, seconds: float) -> bool:
        """Waits for the process to end, at most `seconds`. Gives whether it ended."""
        try:
            async with asyncio.timeout(seconds):
                await self._exited.wait()
        except TimeoutError:
            return False
        return True

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        if fd == 2:
            self._hear(data)
            return
        self._heard = True
        if not self._later and not self._unheard:
            answers = self._lines.together(data, responses_in)
            if answers is not None:
                for answer in answers:
                    if (listener := self.listener) is None:
                        return
                    listener.received(answer, None)
                return
        lines = self._lines.feed(data)
        if self._unheard:
            self._later.extend(lines)
            self._wait()
            return
        if len(lines) <= MOST_LINES and not self._later:
            for line in lines:
                if (listener := self.listener) is None:
                    return
                listener.received(of_server(line) if type(line) is bytes else self._lines.message(line), None)
            return
        self._later.extend(lines)
        self._take_some()

    def _take_some(self) -> None:
        """Takes some of the lines that came at once; the others have to wait for their turn, and so do
        further ones, in the pipe."""
        for _ in range(min(len(self._later), MOST_LINES)):
            if self.listener is None:
                self._later.clear()
                return
            self.listener.received(self._lines.message(self._later.popleft()), None)
        if self._later:
            self._wait()
            asyncio.get_running_loop().call_soon(self._take_some)
        elif self._waits:
            self._waits = False
            # The pipe may hold more.
            self._heard = True
            if (pipe := self._pipe()) is not None and not pipe.is_closing():
                pipe.resume_reading()

    def _wait(self) -> None:
        """What the pipe holds stays there until what was read is taken."""
        if not self._waits and (pipe := self._pipe()) is not None:
            pipe.pause_reading()
        self._waits = True

    def _pipe(self) -> asyncio.ReadTransport | None:
        pipe = self._transport.get_pipe_transport(1) if self._transport else None
        return cast(asyncio.ReadTransport, pipe) if pipe is not None else None

    def _hear(self, data: bytes) -> None:
        for line in self._errors.feed(data):
            raw = line if isinstance(line, bytes) else line.head if isinstance(line, Oversized) else line.line
            # What a terminal would not show could part a secret.
            text = quiet(raw.decode("utf-8", "replace").rstrip())
            # Before the line is cut: half a secret is one, too.
            text = self._veil.hide(text)[:LONGEST_SHOWN]
            self.stderr.append(text)
            self._show(text)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 2:
            # A last line without its newline still counts.
            self._hear(b"\n")
        self._open.discard(fd)
        self._take_last()
        if self._exited.is_set():
            self._settle()
        elif fd == 1:
            # The process lives, but it cannot answer any more.
            asyncio.get_running_loop().call_later(SILENT_SECONDS, self._lose)

    def _take_last(self) -> None:
        """A last line without its newline counts here, too, where it holds a whole message; what broke off
        half-way is none. It waits for somebody to listen, as all others do."""
        if 1 in self._open or self.listener is None:
            return
        if (last := self._lines.last()) is not None:
            self.listener.received(last, None)

    def process_exited(self) -> None:
        self._exited.set()
        self._until = asyncio.get_running_loop().time() + REST_SECONDS
        self._await_rest()
        self._settle()

    def _await_rest(self) -> None:
        self._heard = False
        asyncio.get_running_loop().call_later(EXITED_SECONDS, self._look)

    def _look(self, turns: int = TURNS) -> None:
        """Whatever has said something since may have more to say. A loop that was busy comes here before it
        has read what is there: it does that first."""
        loop = asyncio.get_running_loop()
        if self._heard and loop.time() < self._until:
            self._await_rest()
        elif turns and self._open:
            loop.call_soon(self._look, turns - 1)
        else:
            self._lose()

    def _settle(self) -> None:
        """Reads both pipes of a child that has ended to their ends, so that everything it said is known."""
        if not self._open:
            self._lose()

    def _lose(self) -> None:
        if self._later or self._unheard:
            # What it said last comes before its end.
            self._await_rest()
            return
        self._take_last()
        listener, self.listener = self.listener, None
        if listener is None:
            return
        code = self._transport.get_returncode() if self._transport else None
        if code is None:
            reason = "the server closed its output"
        elif code < 0:
            reason = f"the server was ended by signal {-code}"
        else:
            reason = f"the server ended with exit code {code}"
        listener.lost(failures.lost(reason, started=True))
