"""Equal reads at the same time are one call to the server. A call stage, between the cache and limiting.

What reads stands in the route. Tells the store of every write that has ended, or whose end is unknown. The
shared call runs in a task of its own, so that it outlives a caller that gives up; it is cancelled once all
have. A caller never joins a read that began before a write to that server had finished.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.context import CallContext, ClientPort
from callmux.errors import CallmuxError, ToolCallFailed
from callmux.plan import Patience
from callmux.protocol.shapes import Result
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import is_whole
from callmux.rings.cache.store import CacheStore, Key
from callmux.rings.call import Call
from callmux.rings.retrying import progress_to
from callmux.rings.stage import Proceed
from callmux.tasks import at_once
from callmux.upstream.failures import timed_out, to_error
from callmux.upstream.server import Server


class Coalescing:
    """Call stage: shares reads.

    Args:
        keys: Gives the keys of calls.
        store: Keeps the epochs of the servers and the counters.
        servers: All servers by name.
        clock: Time.
    """

    def __init__(self, keys: Keys, store: CacheStore, servers: Mapping[str, Server], clock: Clock) -> None:
        self._keys = keys
        self._store = store
        self._servers = servers
        self._clock = clock
        self._flights: dict[Key, _Flight] = {}

    def __repr__(self) -> str:
        return f"Coalescing({list(self._flights.values())!r})"

    async def __call__(self, call: Call, context: CallContext, proceed: Proceed) -> Result:
        verdict = call.route.verdict
        if not verdict.reads:
            return await self._write(call, context, proceed)
        if not verdict.shared or (key := self._keys.of(call, context)) is None:
            return await proceed(call, context)
        epoch = self._store.begin(call.server, self._clock.monotonic)
        if epoch is None:
            return await proceed(call, context)
        flight = self._flights.get(key)
        if flight is None or not flight.takes(epoch, context):
            return await self._lead(key, epoch, call, context, proceed)
        self._store.coalesced += 1
        result = await flight.wait(call, context)
        return await proceed(call, context) if result is None else result

    async def _write(self, call: Call, context: CallContext, proceed: Proceed) -> Result:
        unanswered, ended = self._servers[call.server].unanswered, False
        repeated = unanswered.repeated
        try:
            result = await proceed(call, context)
            # Of two attempts, the first may still be carried out.
            ended = repeated == unanswered.repeated
            return result
        except CallmuxError as error:
            ended = not _may_go_on(error)
            raise
        finally:
            if ended:
                self._store.wrote(call.server)
            else:
                # Its late answer ends the doubt; where none can come, time does.
                doubt = self._store.doubt(call.server, self._clock.monotonic())
                unanswered.once_answered(lambda: self._store.sure(call.server, doubt))

    async def _lead(self, key: Key, epoch: int, call: Call, context: CallContext, proceed: Proceed) -> Result:
        questions = self._servers[call.server].questions

        def over() -> None:
            self._store.in_flight -= 1
            questions.unwatch(flight.asked)
            if self._flights.get(key) is flight:
                del self._flights[key]

        flight = _Flight(call, context, epoch, over)
        self._flights[key] = flight
        self._store.in_flight += 1
        questions.watch(flight.asked)
        return await flight.lead(proceed)


class _Waiter:
    """One caller of a shared call."""

    __slots__ = ("answer", "call", "context", "progress", "timer")

    def __init__(self, call: Call, context: CallContext, answer: asyncio.Future[Result | None]) -> None:
        self.call = call
        self.context = context
        self.answer = answer
        self.timer: asyncio.TimerHandle | None = None
        self.progress = None if context.progress_token is None else progress_to(context)

    def expire(self) -> None:
        """Its own time is up, while others wait longer."""
        if not self.answer.done():
            call = self.call
            late = timed_out(f'{call.method} on "{call.server}"', call.seconds * 1000)
            error = to_error(late, call.asked.tool, call.server, safe=call.safe, retried=False)
            self.answer.set_exception(error)


class _Flight:
    """One call under way, and those who wait for it. The first of them is the leader: the call is made on its
    behalf.

    Args:
        call: The leader's call.
        context: Its circumstances.
        epoch: The server's epoch at the start.
        over: Called once, when nobody can join any more.
    """

    def __init__(self, call: Call, context: CallContext, epoch: int, over: Callable[[], None]) -> None:
        self._leader = context
        self._epoch = epoch
        self._over = over
        self._patience = Patience(call.deadline, call.seconds)
        self._call = call
        self._waiters: list[_Waiter] = []
        self._first: _Waiter | None = None
        self._task: asyncio.Task[Result] | None = None
        self._open = True

    def __repr__(self) -> str:
        return f"_Flight({self._call.target!r}, {len(self._waiters)} waiting)"

    async def lead(self, proceed: Proceed) -> Result:
        """Makes the call and waits for it, as the first."""
        call = msgspec.structs.replace(self._call, patience=self._patience)
        context = self._leader
        if context.progress_token is not None:
            context = msgspec.structs.replace(context, progress=self._progressed)
        self._task = at_once(self._fly(call, context, proceed))
        self._task.add_done_callback(self._landed)
        answer = await self.wait(self._call, self._leader)
        # Only followers are sent off to call for themselves.
        assert answer is not None
        return answer

    async def _fly(self, call: Call, context: CallContext, proceed: Proceed) -> Result:
        result = await proceed(call, context)
        # At once, not from the task's callback: that would be another turn of the loop.
        self._deliver(result)
        return result

    def takes(self, epoch: int, context: CallContext) -> bool:
        """Whether another caller may wait for it, too: no write has ended meanwhile, nobody was asked for
        input, the leader's client does not hold it up, and a caller that wants progress will see some."""
        if not self._open or self._epoch != epoch or not self._leader.client.reading:
            return False
        return context.progress_token is None or self._leader.progress_token is not None

    async def wait(self, call: Call, context: CallContext) -> Result | None:
        """The result; None where the caller has to make the call itself."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(call, context, loop.create_future())
        self._hold_to_their_time(waiter, loop)
        self._first = self._first or waiter
        self._waiters.append(waiter)
        message: tuple[object, ...] = ()
        try:
            return await waiter.answer
        except asyncio.CancelledError as given_up:
            message = given_up.args
            raise
        finally:
            if waiter.timer is not None:
                waiter.timer.cancel()
            if waiter.answer.done() and not waiter.answer.cancelled():
                # It may have come just when the caller gave up: then nobody else looks at it.
                waiter.answer.exception()
            self._waiters.remove(waiter)
            if not self._waiters and self._task is not None and not self._task.done():
                self._open = False
                self._task.cancel(*message)
                await asyncio.wait({self._task})

    def _hold_to_their_time(self, newcomer: _Waiter, loop: asyncio.AbstractEventLoop) -> None:
        """The call goes on for the most patient; whoever asked for less time gets no more than that."""
        call = newcomer.call
        if call.seconds < self._patience.seconds:
            newcomer.timer = loop.call_at(call.deadline, newcomer.expire)
        elif call.seconds > self._patience.seconds:
            for waiter in self._waiters:
                if waiter.timer is None:
                    waiter.timer = loop.call_at(waiter.call.deadline, waiter.expire)
        self._patience.extend(call.deadline, call.seconds)

    def _progressed(self, params: Raw) -> None:
        for waiter in self._waiters:
            if waiter.progress is not None:
                waiter.progress(params)

    def asked(self, session: ClientPort | None) -> None:
        """The server asks a client something. If it may be the leader, the answer will be its own: the others
        make their calls themselves."""
        if session is None or session is self._leader.client.session:
            self._open = False
            for waiter in self._followers():
                waiter.answer.set_result(None)

    def _followers(self) -> list[_Waiter]:
        return [w for w in self._waiters if w is not self._first and not w.answer.done()]

    def _landed(self, task: asyncio.Task[Result]) -> None:
        """The call is over: everybody hears how."""
        if task.cancelled():
            self._close()
            for waiter in self._waiters:
                waiter.answer.cancel()
        elif (error := task.exception()) is not None:
            self._close()
            for waiter in self._waiters:
                if not waiter.answer.done():
                    waiter.answer.set_exception(_addressed(error, waiter.call))

    def _deliver(self, result: Result) -> None:
        self._close()
        if not is_whole(result) and not result.is_error:
            # It promises the answer to the leader alone.
            for waiter in self._followers():
                waiter.answer.set_result(None)
        for waiter in self._waiters:
            if not waiter.answer.done():
                waiter.answer.set_result(result)

    def _close(self) -> None:
        self._open = False
        self._over()


def _may_go_on(error: CallmuxError) -> bool:
    """Whether the server may still be at work on a call: it may have begun and has not answered."""
    return (
        isinstance(error, ToolCallFailed)
        and error.rpc is None
        and error.details.get("executionState") == "unknown"
    )


def _addressed(error: BaseException, call: Call) -> BaseException:
    """`error` for one of several callers: it names the tool as that caller spelled it."""
    if not isinstance(error, ToolCallFailed) or error.details.get("tool") == call.asked.tool:
        return error
    own = copy.copy(error)
    own.details = {**error.details, "tool": call.asked.tool}
    return own
