"""How many calls run at a time: in all, and on each server. Clients take turns, each client's calls in order.

`Slots` is the count and the queue; `Limiting` the call stage. All servers without a limit of their own share
a queue, and one timer ends the waiting of all. The wait counts towards the call's time-out, and a server that
must be connected first is connected before a slot is taken; a connection for one directory or its credentials
is opened in its slot, so that no more of them are opened than calls may run.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from heapq import heapify, heappop, heappush
from math import inf
from typing import Any

from callmux.context import ClientPort
from callmux.rings.call import Call
from callmux.rings.stage import Outcome
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, to_error
from callmux.upstream.server import Server

CLOCK_STEP = 0.001
"""A timer may come so much too early."""
LOOK_SECONDS = 1e-5
"""For each call that waits: no more often than this are all looked at, which is a small part of the time."""
MOST_PASSED = 64
"""Places in the queues of calls that gave up, beside as many as calls that wait."""
_SHARED = ""
"""The queue for all servers that have no limit of their own."""


class Slots:
    """Counts what runs and holds back the rest.

    Args:
        limit: Calls at a time, over all servers.
        server_limits: Calls at a time on one server, by its name; no further limit for the others.

    Attributes:
        running: Calls that have a slot. The stage counts those by itself that need not wait.
        queued: Calls that wait for one.
    """

    def __init__(self, limit: int, server_limits: Mapping[str, int]) -> None:
        self.limit = limit
        self.server_limits = server_limits
        self.running = 0
        self._on_server: dict[str, int] = defaultdict(int)
        # A turn is True once it has come, and False where the time was up before.
        self._queues: dict[str, list[tuple[int, int, asyncio.Future[bool], str]]] = {}
        self._calls: dict[asyncio.Future[bool], Call] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf
        self.queued = 0
        self._ticket = 0
        self._round = 0
        self._rounds: dict[object, int] = {}
        self._of_client: dict[object, dict[asyncio.Future[bool], int]] = {}
        # Clients of which no call waits, and that have had their turn in this round.
        self._served: set[object] = set()
        self._passed = 0

    @property
    def facts(self) -> tuple[int, int]:
        """How many calls run, and how many wait for their turn."""
        return self.running, self.queued

    def __repr__(self) -> str:
        return f"Slots({self.running}/{self.limit} running, {self.queued} queued)"

    def _free(self, server: str) -> bool:
        limit = self.server_limits.get(server)
        return limit is None or self._on_server[server] < limit

    def take(self, server: str) -> None:
        """Takes a slot, whether there is one or not."""
        self.running += 1
        if self.server_limits:
            self._on_server[server] += 1

    def take_on(self, server: str) -> bool:
        """Takes one of the places on the server itself; gives whether there was one."""
        if not self._free(server):
            return False
        self._on_server[server] += 1
        return True

    def try_acquire(self, server: str) -> bool:
        """Takes a slot; gives whether there was one. Whoever waits while there is room waits for its own
        server, so nobody is overtaken."""
        if self.running >= self.limit or (self.server_limits and not self.take_on(server)):
            return False
        self.running += 1
        return True

    async def acquire(self, server: str, client: object = None, call: Call | None = None) -> None:
        """Waits for a turn.

        Args:
            client: Whose call it is. In each round every client that waits has one call let in, so that a
                thousand calls of one do not hold up the next call of another.
            call: The call, where its deadline ends the waiting.

        Raises:
            TimeoutError: The deadline has come before its turn.
        """
        if self.try_acquire(server):
            return
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._ticket += 1
        self._served.discard(client)
        round = self._rounds[client] = max(self._round, self._rounds.get(client, -1) + 1)
        queue = self._queues.setdefault(server if server in self.server_limits else _SHARED, [])
        heappush(queue, (round, self._ticket, turn, server))
        own = self._of_client.setdefault(client, {})
        own[turn] = round
        self.queued += 1
        if call is not None:
            self._calls[turn] = call
            if call.deadline < self._due:
                self._watch(call.deadline)
        has_turn = False
        try:
            has_turn = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                has_turn = True
                self.release(server)
            turn.cancel()
            raise
        finally:
            self._calls.pop(turn, None)
            del own[turn]
            if not has_turn:
                self._gave_up(client, own)
            if not own and self._of_client.get(client) is own:
                self._has_none(client)
        if not has_turn:
            raise TimeoutError

    def release(self, server: str) -> None:
        """Gives a slot back and lets in whoever is next."""
        self.running -= 1
        if self.server_limits:
            self._on_server[server] -= 1
        if self.queued:
            self._let_in()

    def _let_in(self) -> None:
        while self.running < self.limit:
            for queue in self._queues.values():
                while queue and queue[0][2].done():
                    heappop(queue)
                    self._passed -= 1
            ready = [(q[0][:2], name) for name, q in self._queues.items() if q and self._free(name)]
            if not ready:
                return
            name = min(ready)[1]
            round, _, turn, server = heappop(self._queues[name])
            if round > self._round:
                self._round = round
                for client in self._served:
                    del self._rounds[client]
                self._served.clear()
            self._leave()
            self.take(server)
            turn.set_result(True)

    def _gave_up(self, client: object, own: dict[asyncio.Future[bool], int]) -> None:
        """A call waits no more. Its place stays in the queue and is passed over; its client's next call comes
        right behind those of the client's that still wait."""
        self._passed += 1
        last = min(self._rounds[client] - 1, self._round)
        self._rounds[client] = next(reversed(own.values()), last)
        self._leave()
        if self._passed > self.queued + MOST_PASSED:
            for queue in self._queues.values():
                queue[:] = [place for place in queue if not place[2].done()]
                heapify(queue)
            self._passed = 0

    def _has_none(self, client: object) -> None:
        """No call of a client waits. Its turn counts while the round lasts; then nothing is known of it."""
        del self._of_client[client]
        if self._rounds[client] < self._round:
            del self._rounds[client]
        else:
            self._served.add(client)

    def _leave(self) -> None:
        self.queued -= 1
        if not self.queued:
            # Nobody waits: nobody is owed a turn.
            self._rounds.clear()
            self._served.clear()
            self._of_client.clear()
            self._queues.clear()
            self._passed = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer, self._due = None, inf

    def _watch(self, due: float) -> None:
        """Sets one timer for all calls that wait, at the earliest deadline there is now."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        """Ends the waiting of calls whose deadline has come; it may have been put off since."""
        now = asyncio.get_running_loop().time() + CLOCK_STEP
        self._timer, self._due = None, inf
        waiting = [(turn, call) for turn, call in self._calls.items() if not turn.done()]
        for turn, call in waiting:
            if call.deadline <= now:
                turn.set_result(False)
        if (soonest := min((call.deadline for turn, call in waiting if not turn.done()), default=inf)) < inf:
            self._watch(max(soonest, now + LOOK_SECONDS * len(waiting)))


class Limiting:
    """Call stage of one server: a call waits for its turn. Meanwhile no reload ends the server.

    Args:
        slots: Counts the calls of all servers.
        name: The server's key.
        server: The server.
    """

    def __init__(self, slots: Slots, name: str, server: Server) -> None:
        self._slots = slots
        self._name = name
        self._server = server
        self._in_use = server.in_use
        self._main = server.main_line
        server.questions.lent = self.lent

    def enter(self, call: Call) -> Coroutine[Any, Any, None] | None:
        server, session, slots = self._server, call.context.client.session, self._slots
        if call.scope is None:
            # A frame is saved on the nearly only way on stdio.
            alone = session is server.exclusive
            ready = self._main.connection if alone else server.ready(session, None, call.target)
            connection = call.connection = ready
            if connection is None:
                return self._wait(call, server, False)
        if (
            session.reading
            and slots.running < slots.limit
            and (not slots.server_limits or slots.take_on(self._name))
        ):
            slots.running += 1
            self._in_use.count += 1
            return None
        return self._wait(call, server, True)

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        slots = self._slots
        if slots.queued or slots.server_limits:
            slots.release(self._name)
        else:
            slots.running -= 1
        in_use = self._in_use
        in_use.count -= 1
        if in_use.lull.awaited and not in_use.count:
            in_use.lull.come()
        return outcome

    @asynccontextmanager
    async def lent(self, client: ClientPort) -> AsyncIterator[None]:
        """Others have the slot of a call for as long as its client thinks; then it has its turn again."""
        slots, name, has_turn = self._slots, self._name, False
        slots.release(name)
        try:
            yield
            await slots.acquire(name, client.session)
            has_turn = True
        finally:
            if not has_turn:
                # The call gives it back when it ends, which it does now.
                slots.take(name)

    async def _wait(self, call: Call, server: Server, is_up: bool) -> None:
        """Enters where something has to be waited for."""
        client = call.context.client
        # What is chosen now may be lost meanwhile.
        call.connection = None
        server.in_use.take()
        entered = False
        try:
            if not is_up:
                await server.acquire(call.target, client, call.asked.force_reconnect)
            if not (client.reading and self._slots.try_acquire(self._name)):
                await self._in_time(call)
            entered = True
        finally:
            if not entered:
                server.in_use.give()

    async def _in_time(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        client = call.context.client
        try:
            while not client.reading or not await self._turn(client, call):
                # What it does not take would pile up here.
                async with asyncio.timeout_at(call.deadline) as limit:
                    call.moved = limit.reschedule
                    await client.until_reading()
                call.moved = None
        except TimeoutError:
            raise to_error(
                self._late(call), call.asked.spelling, call.server, safe=True, retried=False
            ) from None
        finally:
            call.moved = None
            call.waited += loop.time() - began

    async def _turn(self, client: ClientPort, call: Call) -> bool:
        """Waits for a slot; gives whether the client still reads, and keeps the slot only then."""
        await self._slots.acquire(self._name, client.session, call)
        if not client.reading:
            self._slots.release(self._name)
        return client.reading

    def _late(self, call: Call) -> CallFailure:
        return failures.timed_out(
            f'waiting for a turn on "{call.server}"', call.seconds * 1000, started=False
        )
