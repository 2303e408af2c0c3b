"""One attempt, and a second where it cannot do harm. The innermost call stage: it sends.

A failed call is repeated once if the failure is of a kind that may pass (`CallFailure.retryable`) and either
nothing reached the server or the call is safe to repeat. Only the category decides, never words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.context import CallContext
from callmux.errors import UpstreamUnavailable
from callmux.plan import PlannedCall
from callmux.protocol.params import members
from callmux.protocol.shapes import Result
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

    async def __call__(self, call: PlannedCall, context: CallContext, proceed: Proceed) -> Result:
        server = self._servers[call.server]
        connection = server.ready(context.client)
        if connection is None:
            connection = await server.acquire(call.target, context.client, call.asked.force_reconnect)
        try:
            deadline = call.deadline if call.patience is None else call.patience.deadline
            left = deadline - self._clock.monotonic()
            return Result(await send(connection, call, context, left))
        except CallFailure as failure:
            first = failure
        again = first.retryable and (call.safe or not first.started)
        if first.category is Category.TIMEOUT:
            server.examine_soon(connection) if not again else await server.examine(connection)
        if not again:
            raise to_error(first, call.asked.tool, call.server, safe=call.safe, retried=False) from first
        try:
            connection = await server.acquire(call.target, context.client)
            seconds = call.seconds if call.patience is None else call.patience.seconds
            return Result(await send(connection, call, context, seconds))
        except UpstreamUnavailable:
            raise to_error(first, call.asked.tool, call.server, safe=call.safe, retried=False) from first
        except CallFailure as second:
            if second.category is Category.TIMEOUT:
                server.examine_soon(connection)
            shown = second if first.started == second.started else _unsure(second)
            raise to_error(shown, call.asked.tool, call.server, safe=call.safe, retried=True) from second


def _unsure(failure: CallFailure) -> CallFailure:
    """`failure`, said to have begun: one of two attempts may have."""
    return CallFailure(failure.category, failure.cause, started=True, rpc=failure.rpc, raw=failure.raw)


def send(connection: Connection, call: PlannedCall, context: CallContext, seconds: float) -> Awaitable[bytes]:
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
    return connection.request(call.method, body, seconds, client, progress, call.patience)


def progress_to(context: CallContext) -> Callable[[Raw], None]:
    """Passes progress on under the client's own token."""

    def passed_on(params: Raw) -> None:
        changed = members(params)
        if context.progress_token is not None:
            changed["progressToken"] = context.progress_token
        context.client.notify("notifications/progress", _ENCODER.encode(changed))

    return passed_on
