"""One attempt, and a second where it cannot do harm. The innermost call stage: it sends.

A failed call is repeated once if the failure is of a kind that may pass (`CallFailure.retryable`) and either
it is proved that nobody took it or the call is safe to repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.context import CallContext
from callmux.errors import ScopedClientCapacity, UpstreamUnavailable
from callmux.protocol.nulls import METHODS, without_nulls
from callmux.protocol.params import members
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.stage import Proceed
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
    """

    def __init__(self, servers: Mapping[str, Server], clock: Clock) -> None:
        self._servers = servers
        self._clock = clock

    async def __call__(self, call: Call, context: CallContext, proceed: Proceed) -> Result:
        server = self._servers[call.server]
        connection = server.ready(context.client, call.scope)
        if connection is None:
            connection = await self._connect(server, call, context)
        try:
            deadline = call.deadline if call.patience is None else call.patience.deadline
            left = deadline - self._clock.monotonic()
            raw = await send(connection, call, context, left)
            return Result(raw if b"null" not in raw else _mended(call, raw))
        except CallFailure as failure:
            first = failure
        finally:
            if call.scope is not None:
                server.leave(connection)
        again = first.repeatable(call.safe)
        if first.category is Category.TIMEOUT:
            server.examine_soon(connection) if not again else await server.examine(connection)
        if not again:
            raise to_error(first, call.asked.tool, call.server, safe=call.safe, retried=False) from first
        try:
            connection = await server.acquire(call.target, context.client, scope=call.scope)
        except (UpstreamUnavailable, ScopedClientCapacity, CallFailure):
            raise to_error(first, call.asked.tool, call.server, safe=call.safe, retried=False) from first
        if first.started:
            server.unanswered.repeated += 1
        try:
            seconds = call.seconds if call.patience is None else call.patience.seconds
            return Result(_mended(call, await send(connection, call, context, seconds)))
        except CallFailure as second:
            if second.category is Category.TIMEOUT:
                server.examine_soon(connection)
            shown = second if first.started == second.started else _unsure(second)
            raise to_error(shown, call.asked.tool, call.server, safe=call.safe, retried=True) from second
        finally:
            if call.scope is not None:
                server.leave(connection)

    async def _connect(self, server: Server, call: Call, context: CallContext) -> Connection:
        """The connection for a call whose connection is not open. One of its own scope is opened in the time
        that the call has.

        Raises:
            CallmuxError: It cannot be had. Nothing was sent.
        """
        client, force = context.client, call.asked.force_reconnect
        if call.scope is None:
            return await server.acquire(call.target, client, force)
        try:
            async with asyncio.timeout_at(call.deadline if call.patience is None else call.patience.deadline):
                return await server.acquire(call.target, client, force, call.scope)
        except TimeoutError:
            what = f'a connection of its own to "{call.server}"'
            failure = failures.timed_out(what, call.seconds * 1000, started=False)
        except CallFailure as error:
            failure = error
        raise to_error(failure, call.asked.tool, call.server, safe=call.safe, retried=False) from failure


def _mended(call: Call, raw: bytes) -> bytes:
    """The result of `call` without null where strict clients refuse it."""
    return without_nulls(raw) if call.method in METHODS else raw


def _unsure(failure: CallFailure) -> CallFailure:
    """`failure`, said to have begun: one of two attempts may have."""
    return CallFailure(failure.category, failure.cause, started=True, rpc=failure.rpc, raw=failure.raw)


def send(connection: Connection, call: Call, context: CallContext, seconds: float) -> Awaitable[bytes]:
    """Sends `call`; what it returns must be awaited at once and gives the raw result.

    Args:
        seconds: How long the answer may take.
    """
    params: dict[str, Raw | str] = {} if call.key is None else {call.key: call.target}
    if call.arguments is not None:
        params["arguments"] = call.arguments
    if call.asked.extra:
        params.update(call.asked.extra)
    if seconds <= 0:
        raise failures.timed_out(f'{call.method} on "{call.server}"', call.seconds * 1000, started=False)
    progress = context.progress
    if progress is None and context.progress_token is not None:
        progress = progress_to(context)
    body = None if call.bare else _ENCODER.encode(params)
    client = context.client
    answer = connection.request(call.method, body, seconds, client, progress, call.patience)
    return connection.makers.noting(answer, client) if "task" in call.asked.extra else answer


def progress_to(context: CallContext) -> Callable[[Raw], None]:
    """Passes progress on under the client's own token."""

    def passed_on(params: Raw) -> None:
        changed = members(params)
        if context.progress_token is not None:
            changed["progressToken"] = context.progress_token
        context.client.notify("notifications/progress", _ENCODER.encode(changed))

    return passed_on
