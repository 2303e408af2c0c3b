"""What can happen to a call and what must follow, told without the table of `protocol.failure_points`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from callmux.protocol.failure_points import Carrier, Point


class Event(Enum):
    """What the server does to the first call."""

    GONE = "nobody listens"
    STATUS = "it answers with a status that is no success"
    SAID = "the same, and its body speaks of the session, or answers the request itself"
    ELSEWHERE = "it redirects to another origin"
    CHALLENGED = "it asks for credentials with a challenge"
    DECLINED = "it is one of ours and asks to come back"
    SILENT = "it ends the connection without a status"
    CUT = "it ends the answer in the middle"
    RESUME = "it ends the answer's stream and refuses to go on"
    EMPTY = "it takes the request and answers nothing"
    HUGE = "its answer is too large"
    ERROR = "it answers with an error of its own about the session"
    LATE = "it never answers"
    ENDED = "the link ends under the call"

    @property
    def refuses(self) -> bool:
        """It answers with a status before anything else."""
        return self in (Event.STATUS, Event.SAID, Event.ELSEWHERE, Event.CHALLENGED, Event.DECLINED)


class Case(NamedTuple):
    """One call and what happens to it.

    Attributes:
        carrier: The way to the server.
        point: The row of the table that is asked.
        event: What happens.
        status: The HTTP status, where there is one.
        safe: The call may be carried out twice.
        effect: It was carried out before that happened.
        named: The session has a name.
        forgotten: The server has forgotten the session.
        ping: It knows the session, and answers pings with this status all the same.
    """

    carrier: str
    point: Point
    event: Event
    status: int = 0
    safe: bool = False
    effect: bool = False
    named: bool = True
    forgotten: bool = False
    ping: int = 0

    @property
    def untaken(self) -> bool:
        """What happens proves that nobody took the call."""
        return not self.may_have_begun

    @property
    def may_have_begun(self) -> bool:
        """It can happen after the effect, as far as whoever called can know."""
        if self.event in (Event.GONE, Event.ELSEWHERE, Event.CHALLENGED, Event.DECLINED):
            return False
        if self.event is Event.SAID:
            return not self.forgotten
        return not (self.event is Event.STATUS and self.status in (404, 413))

    @property
    def is_repeated(self) -> bool:
        """A write is sent again, too."""
        if self.event in (Event.GONE, Event.DECLINED):
            return True
        told = (self.event is Event.STATUS and self.status == 404) or self.event is Event.SAID
        return told and self.forgotten


POINTS = {
    404: Point.NO_SESSION,
    413: Point.TOO_LARGE,
    429: Point.BUSY,
    503: Point.BUSY,
    500: Point.FAILED,
    502: Point.FAILED,
}
STATUSES = (302, 400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503)
PINGS = (401, 404, 501)
"""What servers say that have no ping."""
FORGETTING = (400, 401, 404, 410, 422, 500, 503)
OVER_HTTP = (Carrier.HTTP.value, Carrier.BRIDGE.value, Carrier.SHELL.value)


def all_cases() -> Iterator[Case]:
    """Every case that can be."""
    for carrier in Carrier:
        for case in _of(carrier.value):
            for safe in (False, True):
                for effect in (False, True) if case.may_have_begun else (False,):
                    yield case._replace(safe=safe, effect=effect)


def _of(carrier: str) -> Iterator[Case]:
    if carrier != Carrier.SHELL.value:
        yield Case(carrier, Point.NO_CONNECTION, Event.GONE)
    yield Case(carrier, Point.LATE, Event.LATE)
    if carrier in (Carrier.HTTP.value, Carrier.SSE.value, Carrier.STDIO.value):
        yield Case(carrier, Point.ENDED, Event.ENDED)
    if carrier != Carrier.STDIO.value:
        yield from _refused(carrier)
    if carrier in OVER_HTTP:
        yield Case(carrier, Point.CUT, Event.CUT)
        yield Case(carrier, Point.WITHOUT_RESULT, Event.EMPTY)
        yield Case(carrier, Point.UNREADABLE, Event.HUGE)
    if carrier in (Carrier.HTTP.value, Carrier.BRIDGE.value):
        for status in (200, *STATUSES):
            for named in (True, False):
                yield Case(carrier, Point.NO_RESUMPTION, Event.RESUME, status, named=named)
        for status in FORGETTING:
            yield Case(carrier, Point.NO_RESUMPTION, Event.RESUME, status, forgotten=True)
        yield Case(carrier, Point.ERROR, Event.ERROR, 200, forgotten=True)


def _refused(carrier: str) -> Iterator[Case]:
    yield Case(carrier, Point.SILENT, Event.SILENT)
    # The older transport names its session in the address.
    for named in (True,) if carrier in (Carrier.SSE.value, Carrier.SHELL.value) else (True, False):
        for status in STATUSES:
            if status == 404 and named and carrier != Carrier.SHELL.value:
                continue
            point = POINTS.get(status, Point.REFUSED)
            unnamed = not named or carrier == Carrier.SHELL.value
            point = Point.NOT_FOUND if status == 404 and unnamed else point
            yield Case(carrier, point, Event.STATUS, status, named=named)
        yield Case(carrier, Point.ELSEWHERE, Event.ELSEWHERE, 307, named=named)
        yield Case(carrier, Point.CREDENTIALS, Event.CHALLENGED, 401, named=named)
    if carrier != Carrier.SHELL.value:
        for status in FORGETTING:
            event = Event.SAID if status == 400 else Event.STATUS
            point = Point.SAID_SESSION if status == 400 else POINTS.get(status, Point.REFUSED)
            yield Case(carrier, point, event, status, forgotten=True)
        for status, point in ((400, Point.SAID_SESSION), (404, Point.ANSWERED)):
            for ping in (0, *PINGS):
                yield Case(carrier, point, Event.SAID, status, ping=ping)
        yield Case(carrier, Point.ANSWERED, Event.SAID, 404, forgotten=True)
    else:
        yield Case(carrier, Point.REFUSED, Event.SAID, 400)
    if carrier == Carrier.SSE.value:
        yield Case(carrier, Point.NOT_FOUND, Event.GONE, 404)
    if carrier == Carrier.BRIDGE.value:
        yield Case(carrier, Point.DECLINED, Event.DECLINED, 503)
