"""How far a request came when it failed, and whether the other side may have begun with it. Pure.

Called by the links to servers (`callmux.upstream.links`), the bridge and the shell verbs. `TABLE` is all that
is known: for each way to a server and each point at which a request can fail, whether the other side may
have begun, whether anything may be sent again, and whether the session is still there. Imports nothing
heavy: every start and the shell verbs read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Carrier(Enum):
    """The ways to a server; those of `callmux.upstream.links` by the names of their transports."""

    HTTP = "streamable-http"
    SSE = "sse"
    STDIO = "stdio"
    BRIDGE = "bridge"
    SHELL = "shell"


class Point(Enum):
    """How far a request came when it failed."""

    NO_CONNECTION = "there was no connection, or no process"
    NO_SESSION = "the session it named is not known: 404"
    SAID_SESSION = "400, and the body speaks of the session"
    ANSWERED = "404, and the body is an error of the request itself"
    NOT_FOUND = "404, and it named no session"
    ELSEWHERE = "307 or 308 to a place that is not followed"
    CREDENTIALS = "401 or 403 with a challenge: the server looks at credentials first"
    TOO_LARGE = "413"
    BUSY = "429 or 503"
    DECLINED = "the same with Retry-After, from a listener of ours: it says so before it looks at a request"
    REFUSED = "any other status below 500"
    FAILED = "500 or above"
    SILENT = "the connection ended before a status came"
    CUT = "the answer broke off"
    NO_RESUMPTION = "the rest of the answer could not be had"
    WITHOUT_RESULT = "a whole answer that does not answer"
    UNREADABLE = "an answer that cannot be read, or is too large"
    ERROR = "an error of the server's own that speaks of the session"
    LATE = "there was no answer in time"
    ENDED = "the link ended"


class Session(Enum):
    """What a failure tells about the session."""

    KEPT = "nothing"
    DOUBTED = "it may be forgotten: a ping tells"
    OVER = "it is forgotten"


class Known(NamedTuple):
    """What is known at one point.

    Attributes:
        begun: Whether the other side may have begun with the request.
        again: Whether it may be sent again whatever it does: this proves that nobody took it.
        session: What it tells about the session.
    """

    begun: bool
    again: bool = False
    session: Session = Session.KEPT


_P, _OVER, _DOUBTED = Point, Session.OVER, Session.DOUBTED
_STATUSES: Mapping[Point, Known] = {
    _P.NO_SESSION: Known(begun=False, again=True, session=_OVER),
    # Believed only if a ping is refused in the same way (`PROOFS`): else it is about something else.
    _P.SAID_SESSION: Known(begun=False, again=True, session=_DOUBTED),
    _P.ANSWERED: Known(begun=False, again=True, session=_DOUBTED),
    # HTTP itself says that these come before the request is carried out; to ask again is of no use.
    _P.NOT_FOUND: Known(begun=False),
    _P.ELSEWHERE: Known(begun=False),
    _P.CREDENTIALS: Known(begun=False, session=_DOUBTED),
    _P.TOO_LARGE: Known(begun=False),
    # All of these may come from the very code that the call ran.
    _P.BUSY: Known(begun=True, session=_DOUBTED),
    _P.REFUSED: Known(begun=True, session=_DOUBTED),
    _P.FAILED: Known(begun=True, session=_DOUBTED),
    _P.SILENT: Known(begun=True),
}
_ANSWERS: Mapping[Point, Known] = {
    _P.CUT: Known(begun=True),
    _P.WITHOUT_RESULT: Known(begun=True),
    _P.UNREADABLE: Known(begun=True),
    _P.NO_RESUMPTION: Known(begun=True, session=_DOUBTED),
    _P.ERROR: Known(begun=True, session=_DOUBTED),
}
_ALWAYS: Mapping[Point, Known] = {
    _P.NO_CONNECTION: Known(begun=False, again=True),
    _P.LATE: Known(begun=True),
}
# What was written may have been read, whatever ended the process or the stream.
_ENDS: Mapping[Point, Known] = {_P.ENDED: Known(begun=True)}
_ROWS: Mapping[Carrier, Mapping[Point, Known]] = {
    Carrier.HTTP: {**_ALWAYS, **_STATUSES, **_ANSWERS, **_ENDS},
    # Answers come on the one stream, whose end is the end of the session.
    Carrier.SSE: {**_ALWAYS, **_STATUSES, **_ENDS},
    Carrier.STDIO: {**_ALWAYS, **_ENDS},
    Carrier.BRIDGE: {**_ALWAYS, **_STATUSES, **_ANSWERS, _P.DECLINED: Known(begun=False, again=True)},
    # One request, one session, nothing is repeated: only what is told depends on it.
    Carrier.SHELL: {
        **{p: row for p, row in _STATUSES.items() if p not in (_P.NO_SESSION, _P.SAID_SESSION, _P.ANSWERED)},
        **{p: _ANSWERS[p] for p in (_P.CUT, _P.WITHOUT_RESULT, _P.UNREADABLE)},
        _P.LATE: Known(begun=True),
    },
}
TABLE: dict[tuple[Carrier, Point], Known] = {
    (carrier, point): known for carrier, rows in _ROWS.items() for point, known in rows.items()
}

PROOFS: Mapping[Point, Point] = {Point.SAID_SESSION: Point.SAID_SESSION, Point.ANSWERED: Point.NO_SESSION}
"""What a tool may say of its own: where the refusal of a ping must stand, if the words are to be believed."""


def known(carrier: Carrier, point: Point) -> Known:
    """What is known where a request failed at `point`."""
    return TABLE[carrier, point]


def may_have_begun(transport: str, point: Point) -> bool:
    """Whether the other side may have begun, for a link by the name of its transport, which may be one of a
    test."""
    row = next(
        (row for (carrier, at), row in TABLE.items() if at is point and carrier.value == transport), None
    )
    return True if row is None else row.begun
