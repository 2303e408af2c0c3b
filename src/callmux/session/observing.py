"""Tells the bus of each request of a client that is over.

Made by `callmux.process.host`, which sets it at the sessions while somebody listens; calls
`callmux.observe.bus`.
"""

from __future__ import annotations

import contextlib

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.clock import Clock
from callmux.observe.bus import Bus
from callmux.observe.facts import CANCELLED, FAILED, OK, TOOL_ERROR, RequestEnded, SessionEnded
from callmux.observe.tracer import Begun, End
from callmux.protocol.jsonrpc import INVALID_PARAMS, ErrorObject, read_error
from callmux.protocol.params import members
from callmux.protocol.shapes import Result
from callmux.rings.ring import Job
from callmux.rings.stage import Outcome
from callmux.session.facts import NOTHING
from callmux.session.request import Request
from callmux.session.session import Session


class _Named(msgspec.Struct):
    name: str | UnsetType = UNSET
    uri: str | UnsetType = UNSET


_STRING = msgspec.json.Decoder(str)
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

    @property
    def of_sessions(self) -> RequestObserver | None:
        """The observer of a session: this one, or none."""
        return self if self._bus.requests or self._bus.tracer is not None else None

    def left(self, session: Session, about: tuple[float, str, str] | None) -> None:
        """Stops to watch a session that is over.

        Args:
            about: When it began, its transport, and what it is named in status.
        """
        if about is not None and self._bus.hears(SessionEnded):
            began, transport, id = about
            self._bus.publish(
                SessionEnded(
                    session_id=id,
                    transport=transport,
                    seconds=self._clock.monotonic() - began,
                    client=session.facts.client_name or "",
                    version=session.version or "",
                )
            )

    def began(self, request: Request, params: Raw | None) -> None:
        """Publishes that a request has come."""
        request.began = self._clock.monotonic()
        request.name = named_in(params)
        tracer = self._bus.tracer
        if tracer is not None:
            said = request.said
            request.trace = tracer.request(
                Begun(
                    method=request.method,
                    target=request.name,
                    id=str(request.id),
                    transport="stdio" if said is NOTHING else "http",
                    version=request.version or "",
                    session_id=said.session_id,
                    carrier=trace_in(params),
                    around=said.trace,
                )
            )

    def finished(self, request: Request, job: Job, outcome: Outcome) -> None:
        """The job of a request is over."""
        if isinstance(outcome, Result):
            request.code = outcome.code
        # A direct call makes its plan only where somebody asks.
        is_direct = job.route is not None and job.route.own is None
        plan = None if is_direct else job.plan
        request.calls = 1 if is_direct else 0 if plan is None else len(plan.calls)

    def ended(self, request: Request, body: bytes | Raw | None, *, refused: bool = False) -> None:
        """A request is answered with a result, or refused with an error; None for no answer."""
        if not request.began:
            # It came before anybody listened.
            return
        code = request.code
        error = None
        if body is None:
            outcome = CANCELLED
        elif refused:
            error = read_error(Raw(bytes(body)))
            outcome, code = FAILED, str(error.code)
        elif code:
            outcome = FAILED
        else:
            is_call = request.method == "tools/call"
            outcome = TOOL_ERROR if is_call and Result(bytes(body)).is_error else OK
        if (tracer := self._bus.tracer) is not None and request.trace is not None:
            trace, request.trace = request.trace, None
            tracer.request_ended(trace, _end(outcome, code, error))
        if self._bus.requests:
            self._bus.publish(self._fact(request, outcome, code, 0 if body is None else len(body)))

    def _fact(self, request: Request, outcome: str, code: str, size: int) -> RequestEnded:
        said = request.said
        return RequestEnded(
            method=request.method,
            name=request.name,
            calls=request.calls,
            outcome=outcome,
            code=code,
            seconds=self._clock.monotonic() - request.began,
            size=size,
            session_id=said.session_id,
            request_id=said.request_id,
            client=request.session.facts.client_name or "",
            principal=said.principal,
            request=id(request),
        )


UNKNOWN = frozenset({"tool_not_found", "tool_resolution_failed", "recipe_not_found", str(INVALID_PARAMS)})
"""Codes of requests whose name may be nothing but the client's own invention."""


def _end(outcome: str, code: str, error: ErrorObject | None) -> End:
    if error is not None:
        return End(error=code, status=code, words=error.message, unknown=code in UNKNOWN)
    if outcome == OK:
        return End()
    if outcome == CANCELLED:
        return End(error=CANCELLED)
    # A failure of callmux reaches the client as a result with `isError`, too.
    return End(error=TOOL_ERROR, code=code, unknown=code in UNKNOWN)


def trace_in(params: Raw | None) -> dict[str, str]:
    """What the `_meta` of a request says of its trace."""
    if params is None or bytes(params).find(b'"_meta"') < 0:  # `in` costs an exception
        return {}
    found: dict[str, str] = {}
    for key, value in members(members(params).get("_meta")).items():
        with contextlib.suppress(msgspec.MsgspecError):
            found[key.lower()] = _STRING.decode(value)
    return found


def named_in(params: Raw | None) -> str:
    """The tool, the prompt or the URI that the params of a request name; empty for none."""
    if params is None:
        return ""
    try:
        found = _NAMED.decode(params)
    except msgspec.MsgspecError:
        return ""
    return found.name if found.name is not UNSET else found.uri if found.uri is not UNSET else ""
