"""One attempt, and a second where it cannot do harm. The innermost call stage: it sends.

A failed call is repeated once if the failure is of a kind that may pass (`CallFailure.retryable`) and either
it is proved that nobody took it or the call is safe to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from callmux.clock import Clock
from callmux.errors import ScopedClientCapacity, SignInRequired, UpstreamUnavailable
from callmux.observe.bus import Bus
from callmux.observe.facts import CallRetried
from callmux.protocol.nulls import METHODS, without_nulls
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.stage import AGAIN, HELD, Left, Outcome, Sign
from callmux.upstream import failures
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category, to_error
from callmux.upstream.server import Server

_ENCODER = msgspec.json.Encoder()


class Retrying:
    """Call stage: sends the call, twice at most.

    Args:
        servers: All servers by name.
        clock: Time.
        bus: Who hears of second attempts.
    """

    gives_away = True

    def __init__(self, servers: Mapping[str, Server], clock: Clock, bus: Bus | None = None) -> None:
        self._servers = servers
        self._clock = clock
        self._bus = bus or Bus()

    def enter(self, call: Call) -> Sign | Coroutine[Any, Any, Sign]:
        connection = call.connection
        if connection is None:
            server = self._servers[call.route.server]
            session = call.context.client.session
            connection = call.connection = server.ready(session, call.scope, call.target)
            if connection is None:
                return self._connect(server, call)
        if call.context.progress_token is not None and call.progress is None:
            call.progress = call.context.progressed
        try:
            if call.paused and call.deadline <= self._clock.monotonic():
                what = f'{call.method} on "{call.server}"'
                raise failures.timed_out(what, call.seconds * 1000, started=False)
            call.holder = connection
            connection.send(call)
        except CallFailure as failure:
            call.holder = None
            return self._failed(call, failure)
        return HELD

    def leave(self, call: Call, outcome: Outcome) -> Left:
        if type(outcome) is Result:
            if call.makes_task and call.connection is not None:
                call.connection.makers.note(outcome.raw, call.context.client, self._clock.monotonic())
            # Neither `in`, which costs an exception, nor `find`, which costs four times as much.
            if outcome.raw.partition(b"null")[1] and call.route.method in METHODS:
                # Strict clients refuse null where nothing is meant.
                outcome = Result(without_nulls(outcome.raw))
        elif isinstance(outcome, CallFailure):
            return self._failed(call, outcome)
        if call.scope is not None:
            self._let_go(call)
        return outcome

    def _let_go(self, call: Call) -> None:
        """Gives back the connection that was taken for the scope of the call."""
        connection, call.connection = call.connection, None
        if connection is not None and call.scope is not None:
            self._servers[call.route.server].leave(connection)

    def _failed(self, call: Call, failure: CallFailure) -> Coroutine[Any, Any, Sign]:
        """Makes a second attempt, if there is to be one.

        Raises:
            ToolCallFailed: There is none.
        """
        server, connection = self._servers[call.route.server], call.connection
        assert connection is not None
        self._let_go(call)
        first = call.first
        again = first is None and failure.repeatable(call.safe)
        if failure.category is Category.TIMEOUT and not again:
            server.examine_soon(connection)
        if first is not None:
            shown = failure if first.started == failure.started else _unsure(failure)
            raise to_error(shown, call.asked.spelling, call.server, safe=call.safe, retried=True) from failure
        if not again:
            raise to_error(
                failure, call.asked.spelling, call.server, safe=call.safe, retried=False
            ) from failure
        call.first = failure
        return self._again(server, call, connection, failure)

    async def _again(self, server: Server, call: Call, connection: Connection, first: CallFailure) -> Sign:
        if first.category is Category.TIMEOUT:
            await server.examine(connection)
        try:
            call.connection = await server.acquire(call.target, call.context.client, scope=call.scope)
        except (UpstreamUnavailable, SignInRequired, ScopedClientCapacity, CallFailure):
            raise to_error(first, call.asked.spelling, call.server, safe=call.safe, retried=False) from first
        call.deadline = self._clock.monotonic() + call.seconds
        if self._bus.hears(CallRetried):
            about = {"server": call.server, "target": call.target}
            self._bus.publish(CallRetried(**about, category=first.category.value, reason=first.cause))
        return AGAIN

    async def _connect(self, server: Server, call: Call) -> Sign:
        """The connection for a call whose connection is not open. One of its own scope is opened in the time
        that the call has.

        Raises:
            CallmuxError: It cannot be had. Nothing was sent.
        """
        client, force = call.context.client, call.asked.force_reconnect
        if call.scope is None:
            call.connection = await server.acquire(call.target, client, force)
            return AGAIN
        try:
            async with asyncio.timeout_at(call.deadline) as limit:
                call.moved = limit.reschedule
                call.connection = await server.acquire(call.target, client, force, call.scope)
            return AGAIN
        except TimeoutError:
            what = f'a connection of its own to "{call.server}"'
            failure = failures.timed_out(what, call.seconds * 1000, started=False)
        except CallFailure as error:
            failure = error
        finally:
            call.moved = None
        raise to_error(failure, call.asked.spelling, call.server, safe=call.safe, retried=False) from failure


def _unsure(failure: CallFailure) -> CallFailure:
    """`failure`, said to have begun: one of two attempts may have."""
    return CallFailure(failure.category, failure.cause, started=True, rpc=failure.rpc, raw=failure.raw)
