"""What the audit log says of each fact: one JSON object, on one line whatever is in it. Pure.

Called by `callmux.observe.audit`. The line of an HTTP request has the fields of callmux (npm), and a time.
HTTP requests and calls are many and much alike: what several of them have in common is put into words once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.guard.principal import Principal
from callmux.observe.facts import (
    ApprovalAnswered,
    ApprovalAsked,
    CallEnded,
    Denied,
    HttpEnded,
    LimitReached,
    RequestEnded,
    ServersManaged,
)
from callmux.observe.one_line import one_line
from callmux.observe.payload import shown
from callmux.observe.wording import said
from callmux.timestamps import iso

LONGEST = 2000
"""Characters of a name or a path."""
UUID_CHARACTERS = 36
TOOLS_CALL = "tools/call"
KINDS = 4096
"""Kinds of lines whose words are kept."""
LONGEST_KEPT = 256
"""Characters of a name that they are kept for."""

_encode = msgspec.json.Encoder().encode


class _Who(msgspec.Struct, omit_defaults=True):
    kind: str
    id: str
    subject: str | None = None
    scopes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel", tag_field="event"):
    time: str = ""
    principal: _Who | UnsetType = UNSET


class _Part(_Line, kw_only=True):
    """A line beside that of its HTTP request: by `requestId`, only the latter is found."""

    http_request_id: str = ""
    session_id: str = ""


class _Http(_Line, kw_only=True, tag="http_request"):
    request_id: str = ""
    method: str
    path: str
    status: int
    duration_ms: int = -1
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
    duration_ms: int = -1
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


class _Managed(_Line, kw_only=True, tag="server_managed"):
    action: str
    server: str
    by: str
    error: str = ""


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
        return _call(at, fact).encode()
    if kind is HttpEnded:
        return _http(at, fact, most, hidden_keys).encode()
    return one_line(_encode(_OTHERS[kind](at, fact)))


def dropped_line(at: float, lines: int) -> bytes:
    """The line that says that others are missing."""
    return one_line(_encode(_Dropped(iso(at), lines)))


def _call(at: float, fact: CallEnded) -> str:
    target, spelled = fact.target, fact.spelled
    # URIs may be as many and as long as clients like.
    kept = len(target) <= LONGEST_KEPT and len(spelled) <= LONGEST_KEPT
    same = (_same_calls if kept else _same_calls.__wrapped__)(
        fact.server,
        fact.method,
        target,
        spelled,
        fact.within,
        fact.outcome,
        fact.code,
        fact.category,
        fact.source,
        fact.attempts,
        fact.principal,
    )
    line = (
        f'{{"event":"call","time":"{iso(at)}"{_id(fact.request_id, "httpRequestId")}'
        f'{_session(fact.session_id)}{same},"durationMs":{round(fact.seconds * 1000)}'
    )
    if fact.waited and (queued := round(fact.waited * 1000)):
        line = f'{line},"queuedMs":{queued}'
    if fact.sent:
        line = f'{line},"requestBytes":{fact.sent}'
    if fact.received:
        line = f'{line},"resultBytes":{fact.received}'
    return line + "}\n"


@lru_cache(maxsize=KINDS)
def _same_calls(
    server: str,
    method: str,
    target: str,
    spelled: str,
    within: str,
    outcome: str,
    code: str,
    category: str,
    source: str,
    attempts: int,
    principal: Principal | None,
) -> str:
    """What lines of such calls have in common, from the first comma on."""
    is_tool = method == TOOLS_CALL
    line = _Call(
        principal=_who(principal),
        server=server,
        tool=target if is_tool else _word(target),
        method="" if is_tool else method,
        called_as=spelled if is_tool and spelled != target else "",
        within=within,
        outcome=outcome,
        code=code,
        category=category,
        source="" if source == "server" else source,
        attempts=attempts,
    )
    return _members(line)


def _http(at: float, fact: HttpEnded, most: int, hidden_keys: Sequence[str]) -> str:
    path = fact.path
    # Any other path is one that clients make up.
    same = (_same_http if fact.route == path else _same_http.__wrapped__)(
        fact.method, path, fact.route, fact.status, fact.peer, fact.principal
    )
    body = None if fact.body is None else shown(fact.body, most, hidden_keys)
    payload = "" if body is None else _speakable(b',"payload":' + bytes(body))
    return (
        f'{{"event":"http_request","time":"{iso(at)}"{_id(fact.request_id, "requestId")}{same},'
        f'"durationMs":{round(fact.seconds * 1000)}{payload}}}\n'
    )


@lru_cache(maxsize=KINDS)
def _same_http(
    method: str, path: str, route: str, status: int, peer: str | None, principal: Principal | None
) -> str:
    """What lines of such requests have in common, from the first comma on."""
    line = _Http(
        principal=_who(principal),
        method=_word(method),
        path=path if route == path else _word(path),
        status=status,
        remote_ip=peer,
    )
    return _members(line)


def _members(line: _Line) -> str:
    """The members of a line behind its event, each with a comma before it."""
    text = _speakable(_encode(line))
    return text[text.index(",") : -1]


def _speakable(json: bytes) -> str:
    return one_line(json)[:-1].decode()


@lru_cache(maxsize=KINDS)
def _session(id: str) -> str:
    return f',"sessionId":{_speakable(_encode(id))}' if id else ""


def _id(given: str, key: str) -> str:
    """A request id as a member of a line."""
    if _is_ours(given):
        return f',"{key}":{_encode(given).decode()}'
    return f',"{key}":{_speakable(_encode(_word(given)))}' if given else ""


def _request_id(given: str) -> str:
    return given if _is_ours(given) else _word(given)


def _is_ours(id: str) -> bool:
    """Whether an id looks like those that we make; any other may be anything."""
    return len(id) == UUID_CHARACTERS and id.isascii() and id.isprintable()


def _request(at: float, fact: RequestEnded) -> _Line:
    return _Request(
        time=iso(at),
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
        time=iso(at),
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
    return _Asked(time=iso(at), **_whose(fact), question=fact.question, how=fact.how, calls=calls)


def _answered(at: float, fact: ApprovalAnswered) -> _Line:
    return _Answered(
        time=iso(at),
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
        time=iso(at),
        http_request_id=_request_id(fact.request_id),
        principal=_who(fact.principal),
        limit=fact.limit,
        remote_ip=fact.peer,
        retry_after_seconds=fact.retry_seconds,
    )


def _managed(at: float, fact: ServersManaged) -> _Line:
    return _Managed(
        time=iso(at), action=fact.action, server=_word(fact.server), by=fact.by, error=_word(fact.error)
    )


_OTHERS: dict[type[Any], Any] = {
    RequestEnded: _request,
    Denied: _denied,
    ApprovalAsked: _asked,
    ApprovalAnswered: _answered,
    LimitReached: _limit,
    ServersManaged: _managed,
}


def _whose(fact: Any) -> dict[str, Any]:
    return {
        "http_request_id": _request_id(fact.request_id),
        "session_id": fact.session_id,
        "principal": _who(fact.principal),
    }


@lru_cache(maxsize=256)
def _who(principal: Principal | None) -> _Who | UnsetType:
    if principal is None:
        return UNSET
    return _Who(principal.kind, principal.id, principal.subject, principal.scopes, principal.groups)


def _word(text: str) -> str:
    return said(text, LONGEST)
