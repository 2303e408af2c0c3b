"""What is known of the head of a request, so that the same one need not be looked at again.

A head is learned once it has gone the long way, and is known as that of the next requests of its connection:
those differ in the length of their bodies and, without a session, in what they say of their bodies. Made by
`callmux.transport.http.plain`, compared by `callmux.transport.http.direct`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from callmux.guard.gate import Gate
from callmux.guard.principal import Principal
from callmux.protocol.mirrored import PREFIX
from callmux.protocol.modern_call import NOTHING
from callmux.protocol.routing import METHOD, NAME, VERSION, decoded
from callmux.session.facts import Said
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.intake import BodyLimits

if TYPE_CHECKING:
    from callmux.transport.http.web_session import WebSession

Fields: TypeAlias = list[tuple[bytes, bytes]]

LENGTH = b"content-length"
LARGEST = 64 * 1024
"""Bytes of the largest body that is taken this way."""
MOST_DIGITS = 6
"""Of the length of a body: longer ones are too large for this way."""
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: ?([0-9]{1,6})(?=\r\n)")
_END = b"\r\n\r\n"
_VARYING = frozenset(
    {
        b"content-encoding",
        b"expect",
        b"origin",
        b"transfer-encoding",
        b"upgrade",
        b"x-callmux-max-body-bytes",
        b"x-callmux-once",
        b"x-request-id",
    }
)
"""Headers of which each has consequences of its own: a request with one goes the long way."""
_CONNECTION = b"connection"
_USUAL = b"keep-alive"
"""What nearly all clients say of their connection, and what holds in HTTP/1.1 without a word: anything else
has consequences, too."""
_PASSING = frozenset(
    {
        "cf-ray",
        "traceparent",
        "tracestate",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        "x-request-id",
        "x-request-start",
    }
)
"""Headers by which load balancers tell requests apart, so that each has its own. Of these we read the id of a
request alone, unless somebody traces or servers get them: else a head is known whatever they say."""
LARGEST_HEAD = 16 * 1024
"""Bytes of a head that is known: a connection knows several, and there are many connections."""
MOST_NAMES = 16
"""Tools and the like of which is kept what headers say of them."""
LARGEST_NAMES = 512
"""Bytes of such headers that are kept."""
_METHOD, _NAME, _PARAM = METHOD.encode(), NAME.encode(), PREFIX.lower().encode()


class Named(msgspec.Struct, eq=False):
    """What the headers of a request without a session say of its body.

    Attributes:
        given: The headers that do.
        calls: The tool that it calls; None where it is no call.
        has_arguments: Whether it says something of the arguments.
        headers: All headers of such a request, once somebody has asked for them.
        definition: The tool as its server listed it when it wanted no arguments in headers; empty before.
    """

    given: Mapping[str, str]
    calls: str | None = None
    has_arguments: bool = False
    headers: dict[str, str] | None = None
    definition: bytes | None = b""


ALIKE = Named({})
"""All that requests of one session have of this."""


Learned: TypeAlias = tuple[bytes, Fields, Exchange, Said, BodyLimits, Gate | None, str | None]
"""What `PlainHead` is made of."""


class PlainHead:
    """What the head of a request says, beside the length of its body, and what was decided of it once.

    Args:
        url: The target, as it came.
        fields: The headers in order, names in lower case, as far as they must be the same.
        exchange: The request that it was learned from.
        said: What it says beside the message.
        limits: The body limits in force: others mean another configuration.
        gate: What such requests pass.
        kind: Which client of ours it says it comes from.

    Attributes:
        most: Bytes that a body may have without a look at where it goes.
        route: What its path means, from a fixed list; empty where that was not asked yet.
        answered: What stands in the head of each answer because of it.
        own: What it says of the body that it was learned with.
    """

    __slots__ = (
        *("_after", "_before", "_place", "answered", "exchange", "gate", "kind", "limits", "most", "own"),
        *("route", "said", "url"),
    )

    def __init__(
        self,
        url: bytes,
        fields: Fields,
        exchange: Exchange,
        said: Said,
        limits: BodyLimits,
        gate: Gate | None,
        kind: str | None,
    ) -> None:
        place = _place_of_length(fields)
        self.url = url
        self._place, self._before, self._after = place, fields[:place], fields[place + 1 :]
        self.exchange = exchange
        self.said = said
        self.limits = limits
        self.gate = gate
        self.most = min(LARGEST, limits.least or LARGEST)
        self.kind = kind
        self.route = ""
        self.answered = b""
        self.own = ALIKE

    def _is_same(self, url: bytes, fields: Fields) -> bool:
        place = self._place
        return (
            url == self.url
            and len(fields) > place
            and fields[place][0] == LENGTH
            and fields[:place] == self._before
            and fields[place + 1 :] == self._after
        )

    def fits(self, url: bytes, fields: Fields) -> Named | None:
        """What another head says of its body, where it is the same but for that and the length of the body;
        None where it is another one."""
        return ALIKE if self._is_same(url, fields) else None


class SessionHead(PlainHead):
    """A head that names a session.

    Args:
        seat: The session; for the others see `PlainHead`.
    """

    __slots__ = ("seat",)

    def __init__(self, seat: WebSession, *learned: *Learned) -> None:
        super().__init__(*learned)
        self.seat = seat
        self.answered = b"mcp-session-id: %b\r\n" % seat.id.encode("latin-1")

    def said_again(self, request_id: str, now: float) -> Said:
        """What one more request with this head says beside its message, and of its session: requests with
        other heads may have said something else meanwhile."""
        seat, known = self.seat, self.said
        facts = seat.session.facts
        seat.seen_at = now
        if known.cwd is not None:
            facts.cwd, facts.cwd_source = known.cwd, "header"
        if self.kind is not None:
            facts.client_kind = self.kind
        return Said(known.cwd, known.headers, known.elsewhere, known.streams, known.session_id, request_id)


class StatelessHead(PlainHead):
    """A head of a revision without sessions. What it says of the body is looked at anew with each request.

    Attributes:
        version: The revision.
        about: What the last of its requests said of itself.
        whose: From whom that was.
        pool: The sessions that wait for the next one like it (`callmux.transport.http.seats`).
    """

    __slots__ = ("_kept", "about", "pool", "version", "whose")

    def __init__(self, *learned: *Learned) -> None:
        url, fields, exchange, said, limits, gate, kind = learned
        same, named = _apart(fields)
        super().__init__(url, same, exchange, said, limits, gate, kind)
        self._kept: dict[tuple[tuple[bytes, bytes], ...], Named] = {}
        self.about = NOTHING
        self.pool: list[WebSession] = []
        self.whose: Principal | None = None
        self.version = exchange.headers.get(VERSION, "").strip(" \t")
        own = self._named(named)
        # Of a header that is given twice, an exchange knows what it means.
        twice = {name: text for name, text in exchange.headers.items() if _is_named(name.encode("latin-1"))}
        self.own = Named(twice) if own is None else own

    def fits(self, url: bytes, fields: Fields) -> Named | None:
        same, named = _apart(fields)
        return self._named(named) if self._is_same(url, same) else None

    def _named(self, fields: Fields) -> Named | None:
        """What such headers say; None where one of them is given twice."""
        key = tuple(fields)
        found = self._kept.get(key)
        if found is None:
            found = _read(fields)
            if found is not None and not found.has_arguments and _size(fields) <= LARGEST_NAMES:
                if len(self._kept) >= MOST_NAMES:
                    self._kept.clear()
                self._kept[key] = found
        return found

    def headers(self, named: Named) -> dict[str, str]:
        """All headers of a request that says this of its body."""
        if named.headers is None:
            known = self.exchange.headers
            others = {name: text for name, text in known.items() if not _is_named(name.encode("latin-1"))}
            named.headers = {**others, **named.given}
        return named.headers

    def said_again(self, seat: WebSession, request_id: str, now: float) -> Said:
        """What one more request with this head says beside its message, and of the session that it is lent:
        nothing of what others have said there stays."""
        known, facts = self.said, seat.session.facts
        seat.seen_at = now
        facts.cwd = known.cwd
        facts.cwd_source = None if known.cwd is None else "header"
        facts.client_kind = self.kind
        facts.principal = None
        return Said(known.cwd, known.headers, known.elsewhere, known.streams, seat.shown_id, request_id)


def _is_named(name: bytes) -> bool:
    return name in (_NAME, _METHOD) or name.startswith(_PARAM)


def _apart(fields: Fields) -> tuple[Fields, Fields]:
    """Headers that must be the same, and those that speak of the body."""
    named = [field for field in fields if _is_named(field[0])]
    return [field for field in fields if not _is_named(field[0])] if named else fields, named


def _read(fields: Fields) -> Named | None:
    """What headers that speak of the body say; None where one is given twice."""
    given = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
    if len(given) != len(fields):
        return None
    name = given.get(NAME)
    calls = None
    if name is not None and given.get(METHOD, "").strip(" \t") == "tools/call":
        calls = decoded(name.strip(" \t"))
    return Named(
        given,
        calls,
        any(field.startswith(_PARAM) for field, _ in fields),
    )


class KnownHead:
    """The bytes of a head, so that the same ones need not be parsed again: with them, only the digits of its
    content length may be others.

    Args:
        before, after: What stands before the digits, and behind them to the end of the head.
        named: What it says of its body.

    Attributes:
        named: The same.
    """

    __slots__ = ("_after", "_before", "_digits", "named")

    def __init__(self, before: bytes, after: bytes, named: Named) -> None:
        self.named = named
        self._before, self._after = before, after
        self._digits = len(before)

    def body(self, data: bytes) -> bytes | None:
        """The body of a request that is all of `data` and has this head; None where it is not so."""
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r", self._digits, self._digits + MOST_DIGITS + 1)
        if end < 0 or not data.startswith(self._after, end):
            return None
        digits, begin = data[self._digits : end], end + len(self._after)
        if not digits.isdigit() or int(digits) != len(data) - begin:
            return None
        return data[begin:]


def known_head(read: bytes, fields: Fields, named: Named = ALIKE) -> KnownHead | None:
    """What is known again of a head that was read in one piece; None where its bytes say anything else than
    what was parsed from them, or its length in another form.

    Args:
        read: The bytes, to the empty line at the end.
        fields: The headers as they were parsed.
        named: What they say of their body.
    """
    if not read.endswith(_END) or len(read) > LARGEST_HEAD:
        return None
    first, *lines = read[: -len(_END)].split(b"\r\n")
    spelled = [
        (name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)
    ]
    found = list(_LENGTH.finditer(read))
    if len(found) != 1 or spelled != fields or not first.endswith(b" HTTP/1.1"):
        return None
    return KnownHead(read[: found[0].start(1)], read[found[0].end(1) :], named)


def _place_of_length(fields: Fields) -> int:
    return next((n for n, (name, _) in enumerate(fields) if name == LENGTH), -1)


def passing(*read: Iterable[str]) -> frozenset[bytes]:
    """Headers that may be others with each request, where these are read."""
    return frozenset(name.encode() for name in _PASSING.difference(*read))


def lasting(fields: Fields, passing: frozenset[bytes]) -> Fields:
    """The headers that a head is known by; the very same list where that is all of them."""
    left = [field for field in fields if field[0] not in passing]
    return fields if len(left) == len(fields) else left


def can_be_learned(fields: Fields) -> bool:
    """Whether a head may be known again: it has a length, is not too large, and has nothing that makes each
    request its own."""
    return (
        _place_of_length(fields) >= 0
        and _size(fields) <= LARGEST_HEAD
        and not any(
            name in _VARYING or (name == _CONNECTION and value.lower() != _USUAL) for name, value in fields
        )
    )


def _size(fields: Fields) -> int:
    return sum(len(name) + len(value) for name, value in fields)
