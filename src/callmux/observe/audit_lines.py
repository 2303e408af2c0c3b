"""What the audit log says of each fact: one JSON object, on one line whatever is in it. Pure.

Called by `callmux.observe.audit`. The line of an HTTP request has the fields of callmux (npm), and a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.config.veil import EVERYWHERE
from callmux.guard.principal import Principal
from callmux.observe.facts import (
    ApprovalAnswered,
    ApprovalAsked,
    CallEnded,
    Denied,
    HttpEnded,
    LimitReached,
    RequestEnded,
)
from callmux.observe.one_line import one_line
from callmux.observe.payload import shown
from callmux.timestamps import iso

LONGEST = 2000
"""Characters of a name or a path."""
UUID_CHARACTERS = 36
HTTP_METHODS = frozenset({"GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"})
TOOLS_CALL = "tools/call"

_encode = msgspec.json.Encoder().encode


class _Who(msgspec.Struct, omit_defaults=True):
    kind: str
    id: str
    subject: str | None = None
    scopes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel", tag_field="event"):
    time: str
    principal: _Who | UnsetType = UNSET


class _Part(_Line, kw_only=True):
    """A line beside that of its HTTP request: by `requestId`, only the latter is found."""

    http_request_id: str = ""
    session_id: str = ""


class _Http(_Line, kw_only=True, tag="http_request"):
    request_id: str
    method: str
    path: str
    status: int
    duration_ms: int
    remote_ip: str | None = None
    payload: Raw | UnsetType = UNSET


class _Request(_Part, kw_only=True, tag="request"):
    method: str
    name: str = ""
    outcome: str
    code: str = ""
    duration_ms: int
    calls: int = 0
    client: str = ""


class _Call(_Part, kw_only=True, tag="call"):
    server: str
    tool: str
    method: str = ""
    called_as: str = ""
    within: str = ""
    outcome: str
    code: str = ""
    category: str = ""
    source: str = ""
    attempts: int = 1
    duration_ms: int
    queued_ms: int = 0
    request_bytes: int = 0
    result_bytes: int = 0


class _Denied(_Part, kw_only=True, tag="denied"):
    rule: str
    server: str = ""
    tool: str = ""
    method: str = ""
    called_as: str = ""
    within: str = ""
    tier: str = ""


class _Asked(_Part, kw_only=True, tag="approval_asked"):
    question: str
    how: str
    calls: tuple[str, ...]


class _Answered(_Part, kw_only=True, tag="approval_answered"):
    question: str
    answer: str
    how: str
    remembered: str
    duration_ms: int = 0
    calls: tuple[str, ...] = ()


class _Limit(_Part, kw_only=True, tag="limit_reached"):
    limit: str
    remote_ip: str | None = None
    retry_after_seconds: int | None = None


class _Dropped(msgspec.Struct, rename="camel", tag_field="event", tag="lines_dropped"):
    time: str
    lines: int


def line_of(at: float, fact: Any, most: int, hidden_keys: Sequence[str]) -> bytes:
    """The line of a fact, with its end.

    Args:
        at: When it was, in seconds since 1970.
        most: Characters of a body that are shown.
        hidden_keys: Parts of keys, in lower case, whose values in a body are hidden as well.
    """
    kind = type(fact)
    if kind is CallEnded:
        return one_line(_encode(_call(at, fact)))
    if kind is HttpEnded:
        body = None if fact.body is None else shown(fact.body, most, hidden_keys)
        line: _Line = _Http(
            time=_time(at),
            request_id=_id(fact.request_id),
            principal=_who(fact.principal),
            method=fact.method if fact.method in HTTP_METHODS else _word(fact.method),
            path=fact.path if fact.route == fact.path else _word(fact.path),
            status=fact.status,
            duration_ms=round(fact.seconds * 1000),
            remote_ip=fact.peer,
            payload=UNSET if body is None else body,
        )
    else:
        line = _OTHERS[kind](at, fact)
    return one_line(_encode(line))


def dropped_line(at: float, lines: int) -> bytes:
    """The line that says that others are missing."""
    return one_line(_encode(_Dropped(_time(at), lines)))


def _call(at: float, fact: CallEnded) -> _Line:
    is_tool = fact.method == TOOLS_CALL
    return _Call(
        time=_time(at),
        http_request_id=_id(fact.request_id),
        session_id=fact.session_id,
        principal=_who(fact.principal),
        server=fact.server,
        tool=fact.target if is_tool else _word(fact.target),
        method="" if is_tool else fact.method,
        called_as=fact.spelled if is_tool and fact.spelled != fact.target else "",
        within=fact.within,
        outcome=fact.outcome,
        code=fact.code,
        category=fact.category,
        source="" if fact.source == "server" else fact.source,
        attempts=fact.attempts,
        duration_ms=round(fact.seconds * 1000),
        queued_ms=round(fact.waited * 1000),
        request_bytes=fact.sent,
        result_bytes=fact.received,
    )


def _request(at: float, fact: RequestEnded) -> _Line:
    return _Request(
        time=_time(at),
        **_whose(fact),
        method=_word(fact.method),
        name=_word(fact.name),
        outcome=fact.outcome,
        code=fact.code,
        duration_ms=round(fact.seconds * 1000),
        calls=fact.calls,
        client=_word(fact.client),
    )


def _denied(at: float, fact: Denied) -> _Line:
    return _Denied(
        time=_time(at),
        **_whose(fact),
        rule=fact.rule,
        server=fact.server,
        tool=_word(fact.target),
        method="" if fact.method == TOOLS_CALL else fact.method,
        called_as=_word(fact.spelled) if fact.spelled != fact.target else "",
        within=fact.within,
        tier=fact.tier,
    )


def _asked(at: float, fact: ApprovalAsked) -> _Line:
    calls = tuple(map(_word, fact.calls))
    return _Asked(time=_time(at), **_whose(fact), question=fact.question, how=fact.how, calls=calls)


def _answered(at: float, fact: ApprovalAnswered) -> _Line:
    return _Answered(
        time=_time(at),
        **_whose(fact),
        question=fact.question,
        answer=fact.answer,
        how=fact.how,
        remembered=fact.remembered,
        duration_ms=round(fact.seconds * 1000),
        calls=tuple(map(_word, fact.calls)),
    )


def _limit(at: float, fact: LimitReached) -> _Line:
    return _Limit(
        time=_time(at),
        http_request_id=_id(fact.request_id),
        principal=_who(fact.principal),
        limit=fact.limit,
        remote_ip=fact.peer,
        retry_after_seconds=fact.retry_seconds,
    )


_OTHERS: dict[type[Any], Any] = {
    RequestEnded: _request,
    Denied: _denied,
    ApprovalAsked: _asked,
    ApprovalAnswered: _answered,
    LimitReached: _limit,
}


def _whose(fact: Any) -> dict[str, Any]:
    return {
        "http_request_id": _id(fact.request_id),
        "session_id": fact.session_id,
        "principal": _who(fact.principal),
    }


@lru_cache(maxsize=256)
def _who(principal: Principal | None) -> _Who | UnsetType:
    if principal is None:
        return UNSET
    return _Who(principal.kind, principal.id, principal.subject, principal.scopes, principal.groups)


@lru_cache(maxsize=8)
def _second(at: int) -> str:
    return iso(at)[: len("2026-01-01T00:00:00")]


def _time(at: float) -> str:
    """As `iso` writes it; of most lines the second is that of the line before."""
    whole = int(at)
    return f"{_second(whole)}.{int((at - whole) * 1000):03d}Z"


def _id(given: str) -> str:
    """A request id; one that we did not make may be anything."""
    return given if len(given) in (0, UUID_CHARACTERS) else _word(given)


def _word(text: str) -> str:
    """What a client wrote, without secrets and no longer than is of use."""
    if not text:
        return text
    shown = EVERYWHERE.hide(text[: 2 * LONGEST])[:LONGEST]
    # Half a surrogate pair cannot be written.
    return shown if shown.isascii() else shown.encode("utf-8", "replace").decode()
