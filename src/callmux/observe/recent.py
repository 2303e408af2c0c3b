"""The latest events, as the dashboard shows them. Pure.

Made by `callmux.observe.chronicle`. What happens is kept as it is, and put into words when somebody looks.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from callmux.observe.bus import Bus
from callmux.observe.facts import (
    ApprovalAnswered,
    ApprovalAsked,
    CallRetried,
    ConnectFailed,
    Denied,
    HttpEnded,
    LimitReached,
    Reloaded,
    ServerDown,
    ServersManaged,
    ServerUp,
    SignInNeeded,
    ToolSuiteChanged,
)
from callmux.observe.samples import Sample
from callmux.observe.wording import said
from callmux.timestamps import iso

LONGEST = 500
"""Characters of what a client or a server wrote."""
LEFT = 499
_ALWAYS_OPEN = ("/sse", "/mcp")
"""Streams that end when their client leaves."""


class Recent:
    """The events.

    Args:
        bus: Where it hears.
        wall: The time of day.
        most: How many are kept.
        skipped: Whether HTTP requests of a path are no events.

    Attributes:
        total: How many there ever were.
        passthrough, meta, downstream: Tool calls so far: of tools by their own names, of meta-tools, and the
            calls that these made.
    """

    def __init__(
        self, bus: Bus, wall: Callable[[], float], most: int, skipped: Callable[[str], bool]
    ) -> None:
        self._wall = wall
        self._skipped = skipped
        self._events: deque[tuple[float, Any]] = deque(maxlen=most)
        self._listeners: list[Callable[[float, Any], None]] = []
        self.total = self.passthrough = self.meta = self.downstream = 0
        self._leave = [bus.subscribe(kind, self._hear) for kind in _WORDS if kind not in (Sample, HttpEnded)]
        self._leave.append(bus.subscribe(HttpEnded, self._http))

    @property
    def most(self) -> int:
        """How many are kept."""
        return self._events.maxlen or 0

    def resize(self, most: int) -> None:
        """Keeps so many from now on."""
        self._events = deque(self._events, maxlen=most)

    def leave(self) -> None:
        """Hears no more."""
        for leave in self._leave:
            leave()

    def add(self, sample: Sample) -> None:
        """A tool call is over."""
        self.passthrough += sample.passthrough
        self.meta += sample.meta
        self.downstream += sample.downstream
        self._keep(sample.at, sample)

    def _hear(self, fact: Any) -> None:
        self._keep(self._wall(), fact)

    def _http(self, fact: HttpEnded) -> None:
        if not self._skipped(fact.path):
            # What it brought is for the audit log alone.
            kept = fact if fact.body is None else msgspec.structs.replace(fact, body=None)
            self._keep(self._wall(), kept)

    def _keep(self, at: float, event: Any) -> None:
        self.total += 1
        self._events.append((at, event))
        for listener in self._listeners:
            listener(at, event)

    def listen(self, listener: Callable[[float, Any], None]) -> Callable[[], None]:
        """Has `listener` called with each event from now on. Gives what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def listening(self) -> int:
        """How many listen. Each costs every event a little."""
        return len(self._listeners)

    def shown(self) -> list[dict[str, Any]]:
        """The events that are kept, in their order."""
        return [words_of(at, event) for at, event in self._events]

    def page(self, before: int, limit: int) -> dict[str, Any]:
        """Some of the events that are kept, the newest first, and where the next page begins.

        Args:
            before: Only those that came before the event of this number; the first ever was number 1.
            limit: How many.
        """
        oldest = self.total - len(self._events) + 1
        last = min(before - 1, self.total)
        first = max(oldest, last - limit + 1)
        found = (
            list(itertools.islice(self._events, first - oldest, last - oldest + 1)) if last >= first else []
        )
        events = [words_of(at, event) for at, event in reversed(found)]
        return {"events": events, "next": first if events and first > oldest else None}

    def summary(self) -> dict[str, int]:
        """How many there were of which kind."""
        made = self.passthrough + self.downstream
        return {
            "eventCount": len(self._events),
            "totalEvents": self.total,
            "passthroughToolCalls": self.passthrough,
            "callmuxMetaToolCalls": self.meta,
            "callmuxDownstreamToolCalls": self.downstream,
            "totalDownstreamToolCalls": made,
            "callmuxToolCalls": self.meta,
            "realToolCalls": made,
            "maxEvents": self.most,
            "recentErrors": sum(is_error(event) for _, event in self._events),
        }


def is_error(event: Any) -> bool:
    """Whether something went wrong."""
    if isinstance(event, HttpEnded):
        left = event.status == LEFT and event.route in _ALWAYS_OPEN
        # A client that is told to greet anew has lost nothing.
        again = event.status == 404 and event.route == "/mcp"
        return event.status >= 400 and not left and not again
    if isinstance(event, Sample):
        return not event.ok
    if isinstance(event, Reloaded | ServersManaged):
        return bool(event.error)
    return isinstance(event, ConnectFailed | ServerDown)


def words_of(at: float, event: Any) -> dict[str, Any]:
    """An event as JSON: its type, when it was, and what there is to say."""
    kind, words = _WORDS[type(event)]
    facts: dict[str, Any] = {"type": kind, "timestamp": iso(at)}
    if kind == "tool_call" and event.status == "aborted":
        facts["type"] = "tool_call_lifecycle"
        facts["lifecycle"] = "client_aborted"
    facts.update({key: value for key, value in words(event).items() if value not in (None, "", ())})
    return facts


def _said(text: str) -> str:
    return said(text, LONGEST)


def _http_words(fact: HttpEnded) -> dict[str, Any]:
    return {
        "requestId": fact.request_id,
        "method": _said(fact.method),
        "path": _said(fact.path),
        "status": fact.status,
        "durationMs": round(fact.seconds * 1000),
        "principal": None if fact.principal is None else fact.principal.label,
        "sessionReinit": True if fact.status == 404 and fact.route == "/mcp" else None,
    }


def _call_words(sample: Sample) -> dict[str, Any]:
    direct = sample.targets[0] if len(sample.targets) == 1 and sample.calls == 1 else None
    return {
        "requestId": sample.request_id,
        "sessionId": sample.session_id,
        "principal": sample.principal,
        "tool": _said(sample.tool),
        "server": None if direct is None else direct[0],
        "targetTool": None if direct is None else _said(direct[1]),
        "toolKind": "downstream" if sample.operation == "direct" else "callmux_meta",
        "operation": _said(sample.operation),
        "passthroughToolCalls": sample.passthrough,
        "callmuxMetaToolCalls": sample.meta,
        "callmuxDownstreamToolCalls": sample.downstream,
        "downstreamTargets": [
            {"server": server, "tool": _said(tool), "count": count} for server, tool, count in sample.targets
        ],
        "durationMs": round(sample.seconds * 1000),
        "status": sample.status,
        "success": sample.ok,
        "cacheHit": True if sample.cached else None,
        "error": sample.code,
        "client": _said(sample.client),
        "bytesIn": sample.sent,
        "bytesOut": sample.received,
    }


def _limit_words(fact: LimitReached) -> dict[str, Any]:
    return {
        "limit": fact.limit,
        "requestId": fact.request_id,
        "principal": None if fact.principal is None else fact.principal.label,
    }


def _denied_words(fact: Denied) -> dict[str, Any]:
    return {
        "rule": fact.rule,
        "server": fact.server,
        "tool": _said(fact.target),
        "within": fact.within,
        "tier": fact.tier,
        "requestId": fact.request_id,
        "sessionId": fact.session_id,
        "principal": None if fact.principal is None else fact.principal.label,
    }


def _connect_words(fact: ConnectFailed) -> dict[str, Any]:
    due = None if fact.next_seconds is None else round(fact.next_seconds * 1000)
    return {
        "server": fact.server,
        "error": _said(fact.reason),
        "attempt": fact.attempt,
        "nextRetryMs": due,
    }


_WORDS: dict[type[Any], tuple[str, Callable[[Any], dict[str, Any]]]] = {
    HttpEnded: ("http_request", _http_words),
    Sample: ("tool_call", _call_words),
    ToolSuiteChanged: (
        "tool_suite_changed",
        lambda fact: {
            "server": fact.server,
            "generation": fact.generation,
            "addedTools": [_said(tool) for tool in fact.added],
            "removedTools": [_said(tool) for tool in fact.removed],
        },
    ),
    Reloaded: (
        "config_reload",
        lambda fact: {"success": fact.error is None, "error": _said(fact.error or "")},
    ),
    ServersManaged: (
        "server_managed",
        lambda fact: {
            "action": fact.action,
            "server": _said(fact.server),
            "by": fact.by,
            "success": not fact.error,
            "error": _said(fact.error),
        },
    ),
    CallRetried: (
        "call_retried",
        lambda fact: {
            "server": fact.server,
            "tool": _said(fact.target),
            "category": fact.category,
            "error": _said(fact.reason),
        },
    ),
    ServerUp: (
        "server_up",
        lambda fact: {
            "server": fact.server,
            "again": fact.again,
            "durationMs": round(fact.seconds * 1000),
            "tools": fact.tools,
        },
    ),
    ServerDown: ("server_down", lambda fact: {"server": fact.server, "error": _said(fact.reason)}),
    ConnectFailed: ("connect_failed", _connect_words),
    LimitReached: ("limit_reached", _limit_words),
    Denied: ("denied", _denied_words),
    ApprovalAsked: (
        "approval_asked",
        lambda fact: {"question": fact.question, "how": fact.how, "calls": list(map(_said, fact.calls))},
    ),
    ApprovalAnswered: (
        "approval_answered",
        lambda fact: {
            "question": fact.question,
            "answer": fact.answer,
            "how": fact.how,
            "calls": list(map(_said, fact.calls)),
        },
    ),
    SignInNeeded: ("sign_in_needed", lambda fact: {"server": fact.server}),
}
