"""The network between bridges and listener: it can be cut, go silent, and refuse. Called by `faults`."""

from __future__ import annotations

import asyncio

CHUNK = 64 * 1024


class Wire:
    """A TCP relay in front of one port.

    Args:
        target: The port behind it.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair((reader, writer), far)
        self._links.add(pair)
        try:
            await pair.run()
        finally:
            self._links.discard(pair)

    def cut(self) -> int:
        """Every connection ends at once, in both directions. Gives how many."""
        for pair in self._links:
            pair.abort()
        return len(self._links)

    def hush(self) -> int:
        """What is open stays open and carries nothing any more, as when a machine between has gone."""
        for pair in self._links:
            pair.silent = True
        return len(self._links)

    async def refuse(self, seconds: float) -> None:
        """Nobody listens for a while, and what was open ends."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.sleep(seconds)
        await self.open()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


class _Pair:
    """One connection, carried both ways."""

    def __init__(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.silent = False
        self._near, self._far = near, far

    async def run(self) -> None:
        try:
            await asyncio.gather(
                self._carry(self._near[0], self._far[1]), self._carry(self._far[0], self._near[1])
            )
        finally:
            self.abort()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK):
                if not self.silent:
                    to.write(data)
                    await to.drain()
            while self.silent:
                await asyncio.sleep(0.1)
            to.close()
        except OSError:
            self.abort()

    def abort(self) -> None:
        self.silent = False
        for _, writer in (self._near, self._far):
            writer.transport.abort()
