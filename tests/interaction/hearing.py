"""One end of a conversation that keeps what it hears, so that a test can wait for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Self


def request_line(id: Any, method: str, params: bytes | None) -> bytes:
    """A request; `params` is JSON."""
    body = b"" if params is None else b',"params":' + params
    return b'{"jsonrpc":"2.0","id":%b,"method":%b%b}' % (
        json.dumps(id).encode(),
        json.dumps(method).encode(),
        body,
    )


class Hearing:
    """Lets tests wait for what comes. Base of the client of a bench and of a server's end.

    Attributes:
        notes: Every notification that came: method, params.
    """

    def __init__(self) -> None:
        self.notes: list[tuple[str, Any]] = []
        self._heard: list[asyncio.Event] = []

    def wake(self) -> None:
        """Something came: whoever waits looks again."""
        for heard in self._heard:
            heard.set()

    async def until(self, done: Callable[[Self], Any]) -> Any:
        """Waits until what came makes `done` true, and gives what it gave."""
        heard = asyncio.Event()
        self._heard.append(heard)
        try:
            while not (found := done(self)):
                heard.clear()
                await heard.wait()
            return found
        finally:
            self._heard.remove(heard)

    async def told(self, method: str, n: int = 1) -> Any:
        """The params of the n-th notification of this method."""
        return (await self.until(lambda end: [(p,) for name, p in end.notes if name == method][n - 1 : n]))[
            0
        ][0]
