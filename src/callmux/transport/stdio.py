"""stdin and stdout around one session.

Called by `callmux.cli.single_client` and `callmux.cli.bridge`. stdout is the wire: nothing else may write to
it. A stdin or stdout that is no pipe is read or written in a thread (the event loop cannot watch files). When
the client stops reading, we stop reading from it, and its session holds back what servers say.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from callmux.batch_writer import BatchWriter
from callmux.protocol.jsonrpc import Message, of_client
from callmux.protocol.lines import LineBuffer, requests_in
from callmux.transport.hello import is_stream

if TYPE_CHECKING:
    from callmux.transport.file_writer import FileWriter

CHUNK = 256 * 1024
STUCK_SECONDS = 5.0
"""How long a client that has closed its end may leave what we send unread: then it is taken to have left."""


class StdioTransport:
    """The client on our stdin and stdout.

    Args:
        received: Takes each message of the client, unless `serve` names somebody else.

    Attributes:
        ended: Set once the client has closed its end: nothing more will be received.
        gone: Set once nothing more can be sent.
        send: Sends one line, at the end of this turn of the loop at the latest.
    """

    def __init__(self, received: Callable[[Message], None] = lambda message: None) -> None:
        self._received: Callable[[Any], None] = received
        self._read: Callable[[bytes], object] = of_client
        self._decode: Callable[[bytes], list[Any]] = requests_in
        self._flows: Callable[[bool], None] = lambda reading: None
        self._lines = LineBuffer()
        self._reader: asyncio.ReadTransport | None = None
        self._writer: asyncio.WriteTransport | FileWriter | None = None
        self._stdin = 0
        self._paused = False
        self._stuck: asyncio.TimerHandle | None = None
        self._batch = BatchWriter(self._write)
        self.send = self._batch.send
        self.ended = asyncio.Event()
        self.gone = asyncio.Event()

    def serve(
        self,
        received: Callable[[Any], None],
        flows: Callable[[bool], None],
        read: Callable[[bytes], object] = of_client,
        decode: Callable[[bytes], list[Any]] = requests_in,
    ) -> None:
        """Whoever is served; to be said before it opens.

        Args:
            received: Takes each message of the client.
            flows: Told False when the client stops to read, True when it goes on.
            read: Gives the message on one line.
            decode: Reads an array of messages that `read` would give, or raises.
        """
        self._received, self._flows, self._read, self._decode = received, flows, read, decode

    async def open(self, stdin: int = 0, stdout: int = 1, said: bytes = b"") -> None:
        """Begins to read.

        Args:
            stdin: Where the client writes.
            stdout: Where it reads.
            said: What was read from it already.
        """
        loop = asyncio.get_running_loop()
        self._stdin = stdin
        if is_stream(stdout):
            pipe = os.fdopen(os.dup(stdout), "wb", buffering=0)
            writer, _ = await loop.connect_write_pipe(lambda: _Outgoing(self), pipe)
            self._writer = writer
        else:
            from callmux.transport.file_writer import FileWriter

            self._writer = FileWriter(stdout, _Outgoing(self))
        if said:
            self.feed(said)
        if is_stream(stdin):
            source = os.fdopen(os.dup(stdin), "rb", buffering=0)
            self._stdin = source.fileno()
            reader, _ = await loop.connect_read_pipe(lambda: _Incoming(self), source)
            self._reader = reader
            if self._paused:
                self._reader.pause_reading()
        else:
            threading.Thread(target=self._read_file, args=(loop, stdin), daemon=True).start()

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.writelines(lines)

    def flush(self) -> None:
        """Sends now what this turn has brought so far."""
        self._batch.flush()

    async def finish(self, seconds: float) -> None:
        """Waits until everything is sent, at most `seconds`, and closes our end."""
        if self._writer is not None:
            self._batch.flush()
            self._writer.close()
            try:
                async with asyncio.timeout(seconds):
                    await self.gone.wait()
            except TimeoutError:
                self._writer.abort()

    def feed(self, data: bytes) -> None:
        received, lines = self._received, self._lines
        if (found := lines.together(data, self._decode)) is not None:
            for message in found:
                received(message)
            return
        read = self._read
        for line in lines.feed(data):
            received(read(line) if type(line) is bytes else lines.message(line))

    def pause(self) -> None:
        """The client does not read: neither do we."""
        self._paused = True
        self._flows(False)
        if self._reader is not None and not self.ended.is_set():
            self._reader.pause_reading()
            self._stuck = asyncio.get_running_loop().call_later(STUCK_SECONDS, self._look_for_end)

    def resume(self) -> None:
        self._paused = False
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        self._flows(True)
        if self._reader is not None and not self.ended.is_set():
            self._reader.resume_reading()

    def _look_for_end(self) -> None:
        """Nothing is read, so that nobody would say that the client has closed its end."""
        self._stuck = None
        if not self._paused or self.ended.is_set():
            return
        look = select.poll()
        look.register(self._stdin, getattr(select, "POLLRDHUP", 0))
        if look.poll(0):
            self.ended.set()
            if self._reader is not None:
                self._reader.close()
        else:
            self._stuck = asyncio.get_running_loop().call_later(STUCK_SECONDS, self._look_for_end)

    def _read_file(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        while True:
            try:
                data = os.read(fd, CHUNK)
            except OSError:
                data = b""
            try:
                loop.call_soon_threadsafe(self.feed if data else self._end, *((data,) if data else ()))
            except RuntimeError:
                return
            if not data:
                return

    def _end(self) -> None:
        if self.ended.is_set():
            return
        # A last line without its newline still counts.
        self.feed(b"\n")
        self.ended.set()


class _Incoming(asyncio.Protocol):
    def __init__(self, transport: StdioTransport) -> None:
        self._to = transport

    def data_received(self, data: bytes) -> None:
        self._to.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._to._end()


class _Outgoing(asyncio.Protocol):
    def __init__(self, transport: StdioTransport) -> None:
        self._to = transport

    def pause_writing(self) -> None:
        self._to.pause()

    def resume_writing(self) -> None:
        self._to.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._to.gone.set()
