"""Tells the bus of each request of a client that is over.

Made by `callmux.process.host`, which sets it at the sessions while somebody listens; calls
`callmux.observe.bus`.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.clock import Clock
from callmux.observe.bus import Bus
from callmux.observe.facts import CANCELLED, FAILED, OK, TOOL_ERROR, RequestEnded
from callmux.protocol.jsonrpc import read_error
from callmux.protocol.shapes import Result
from callmux.rings.ring import Job
from callmux.rings.stage import Outcome
from callmux.session.request import Request


class _Named(msgspec.Struct):
    name: str | UnsetType = UNSET
    uri: str | UnsetType = UNSET


_NAMED = msgspec.json.Decoder(_Named)


class RequestObserver:
    """Watches requests.

    Args:
        bus: Who hears of them.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._clock = clock

    def began(self, request: Request, params: Raw | None) -> None:
        """A request has come."""
        request.began = self._clock.monotonic()
        request.name = named_in(params)

    def finished(self, request: Request, job: Job, outcome: Outcome) -> None:
        """The job of a request is over."""
        if isinstance(outcome, Result):
            request.code = outcome.code
        if job.plan is not None:
            request.calls = len(job.plan.calls)

    def ended(self, request: Request, body: bytes | Raw | None, *, refused: bool = False) -> None:
        """A request is answered with a result, or refused with an error; None for no answer."""
        if not self._bus.requests or not request.began:
            # It came before anybody listened.
            return
        code = request.code
        if body is None:
            outcome = CANCELLED
        elif refused:
            outcome, code = FAILED, str(read_error(Raw(bytes(body))).code)
        elif code:
            outcome = FAILED
        else:
            outcome = TOOL_ERROR if request.calls and Result(bytes(body)).is_error else OK
        said = request.said
        self._bus.publish(
            RequestEnded(
                method=request.method,
                name=request.name,
                calls=request.calls,
                outcome=outcome,
                code=code,
                seconds=self._clock.monotonic() - request.began,
                size=0 if body is None else len(body),
                session_id=said.session_id,
                request_id=said.request_id,
                client=request.session.facts.client_name or "",
                principal=said.principal,
            )
        )


def named_in(params: Raw | None) -> str:
    """The tool, the prompt or the URI that the params of a request name; empty for none."""
    if params is None:
        return ""
    try:
        found = _NAMED.decode(params)
    except msgspec.MsgspecError:
        return ""
    return found.name if found.name is not UNSET else found.uri if found.uri is not UNSET else ""
