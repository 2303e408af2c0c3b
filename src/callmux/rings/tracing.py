"""Has each call that is sent followed from its beginning, and tells its server which trace it belongs to.

A call stage around retrying, and only where somebody traces. Made by `callmux.rings.order`; calls the
`callmux.observe.tracer` of the bus. A call that the cache answers, or that joins another one, is not sent and
not followed.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from callmux.errors import CallmuxError, ToolCallFailed
from callmux.observe.bus import Bus
from callmux.observe.tracer import Begun, End
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.params import members
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Cancelled, Outcome

_encode = msgspec.json.Encoder().encode


class Tracing:
    """Call stage: the trace of a call.

    Args:
        bus: Knows who traces.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def concerns(self, route: Route) -> bool:
        """Whether anybody traces."""
        return self._bus.tracer is not None

    def enter(self, call: Call) -> None:
        tracer = self._bus.tracer
        if tracer is None:
            return
        client, route = call.context.client, call.route
        begun = Begun(
            method=route.method, target=call.target, server=route.server, version=client.version or ""
        )
        call.trace, carrier = tracer.call(client.trace, begun)
        if carrier and not call.no_params:
            asked = call.asked
            call.asked = msgspec.structs.replace(asked, meta=_with(asked.meta, carrier))

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        tracer, trace = self._bus.tracer, call.trace
        if tracer is not None and trace is not None:
            call.trace = None
            id = str(call.number) if call.number else ""
            transport = "stdio" if call.connection is None else call.connection.link.transport
            tracer.call_ended(trace, _end(outcome), id, transport)
        return outcome


def _with(meta: Raw | None, carrier: Mapping[str, str]) -> Raw:
    """The `_meta` of a call that names another trace."""
    given = {} if meta is None else members(meta)
    return Raw(_encode({**given, **carrier}))


def _end(outcome: Outcome) -> End:
    if isinstance(outcome, Result):
        return End(error="tool_error" if outcome.is_error else "")
    if isinstance(outcome, Cancelled):
        return End(error="cancelled")
    if isinstance(outcome, ToolCallFailed):
        status = outcome.details.get("jsonRpcCode")
        category = str(outcome.details.get("category", ""))
        words = str(outcome.details.get("rootCause", ""))
        error = category or outcome.code
        if status is not None:
            error = str(status)
        return End(error=error, status="" if status is None else str(status), words=words, code=outcome.code)
    if isinstance(outcome, RpcError):
        return End(error=str(outcome.code), status=str(outcome.code), words=outcome.message)
    code = outcome.code if isinstance(outcome, CallmuxError) else CallmuxError.code
    return End(error=code, code=code)
