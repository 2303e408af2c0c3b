"""When servers can be asked: which of them are up or have failed, and of which it is known what they list.

Made by `callmux.process.runtime`; asked by the door before it looks a name up, by the router, the offers and
the lists before they show anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from math import inf

from callmux.clock import Clock
from callmux.names import possible_prefixes
from callmux.plan import ToolCall
from callmux.tasks import at_once
from callmux.upstream.server import Server

RENEW_SECONDS = 5.0
"""How long the lists of servers may take that are read again before somebody is shown them."""


class Readiness:
    """Whether the servers of one configuration are up.

    Args:
        servers: All servers that are not disabled, by name.
        clock: Time; its monotonic reading is that of the event loop.
        list_seconds: How long the first listing waits for servers of which nothing is known.

    Attributes:
        all_settled: Every server is up or has failed once: names are looked up without waiting.
    """

    def __init__(self, servers: Mapping[str, Server], clock: Clock, list_seconds: float = inf) -> None:
        self._servers = servers
        self._clock = clock
        self.all_settled = False
        self._list_seconds = list_seconds
        self._lists_at: float | None = None

    def __repr__(self) -> str:
        return f"Readiness({len(self._servers)} servers, {'' if self.all_settled else 'not '}settled)"

    async def settled(self) -> None:
        """Waits until every server is up or has failed once. Each wait is bounded by its own time-outs."""
        if not self.all_settled:
            # One after the other, without tasks: who came first is answered first, `initialize` before lists.
            for server in self._servers.values():
                await server.settled()
            self.all_settled = True

    async def listable(self) -> None:
        """Waits until it is known of every server what it lists, or those of which nothing is known have had
        enough time. Of one that is still starting, an earlier process may have kept it; lists that hold no
        longer are read again."""
        if not self.all_settled:
            await self._first_lists()
        servers = self._servers.values()
        again = [at_once(_until(w)) for s in servers if (w := s.inventory.renewed(s.connection)) is not None]
        if again:
            try:
                # What they listed before is better than nothing.
                await asyncio.wait(again, timeout=RENEW_SECONDS)
            finally:
                for task in again:
                    task.cancel()

    async def _first_lists(self) -> None:
        unknown = [server for server in self._servers.values() if not server.recalled]
        if len(unknown) == len(self._servers) == 1:
            await unknown[0].settled()
            return
        now = self._clock.monotonic()
        if self._lists_at is None:
            self._lists_at = now + self._list_seconds
        waiting = [at_once(server.settled()) for server in unknown]
        try:
            # Who asks later does not wait anew.
            await self._in_time(waiting, self._lists_at - now)
        finally:
            for task in waiting:
                task.cancel()

    async def _in_time(self, waiting: Sequence[asyncio.Task[None]], seconds: float) -> None:
        """Waits until all are done, or for so long, and then until there is anything to list."""
        pending = set(waiting)
        if pending and seconds > 0:
            _, pending = await asyncio.wait(pending, timeout=None if seconds == inf else seconds)
        while pending and not any(server.suite.listed for server in self._servers.values()):
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    async def wait_for(self, tool: str, hint: str | None) -> None:
        """Waits for the server of a call where the name tells which one it is; else for all servers."""
        keys = [hint] if hint is not None else possible_prefixes(tool)
        key = next((k for k in keys if k in self._servers), None)
        if key is not None:
            await self._servers[key].settled(for_call=True)
            # Nobody may have waited for all of them; from now on no call needs to.
            self.all_settled = all(server.main_line.is_settled for server in self._servers.values())
        else:
            await self.settled()

    async def wait_for_all(self, calls: Sequence[ToolCall]) -> None:
        """The same for several calls."""
        asked = dict.fromkeys((call.spelling, call.server) for call in calls)
        await asyncio.gather(*(self.wait_for(tool, server) for tool, server in asked))


async def _until(reading: Awaitable[object]) -> None:
    await reading
