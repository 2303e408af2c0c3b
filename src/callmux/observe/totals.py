"""Counts what happens, for as long as the process lives. Pure.

Made by `callmux.process.observers`, where metrics are on; hears facts on `callmux.observe.bus`, and is read
by `callmux.admin.metrics`. A reload changes nothing here, so that what is counted never falls. How many names
there are is bounded: what comes after them counts together, as `__overflow__`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from callmux.observe.bus import Bus
from callmux.observe.facts import (
    FAILED,
    ApprovalAnswered,
    CallEnded,
    CallRetried,
    ConnectFailed,
    Denied,
    HttpEnded,
    LimitReached,
    Reloaded,
    ResultShortened,
    ServerDown,
    ServerUp,
    SignInNeeded,
    ToolSuiteChanged,
)

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
"""Seconds at which the classes of durations end."""
MOST_PATHS = 256
MOST_TOOLS = 1000
MOST_SERVERS = 500
MOST_KINDS = 100
OVERFLOW = "__overflow__"
UNMATCHED = "/__unmatched__"
OTHER = "__other__"
HTTP_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Durations:
    """How long something took.

    Attributes:
        count, total: How often, and how long in all, in seconds.
        classes: How often between one of `BOUNDS` and the next; the last is above all of them.
    """

    __slots__ = ("classes", "count", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.classes = [0] * (len(BOUNDS) + 1)

    def add(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        self.classes[bisect_left(BOUNDS, seconds)] += 1

    def copy(self) -> Durations:
        """The same as it is now."""
        same = Durations()
        same.count, same.total, same.classes = self.count, self.total, self.classes.copy()
        return same


class Bounded(dict[K, V], Generic[K, V]):
    """Values by name, of which there are at most so many.

    Args:
        most: How many.
        make: Makes the value of a new name.
        overflow: The name for all that come later.
    """

    def __init__(self, most: int, make: Callable[[], V], overflow: K) -> None:
        super().__init__()
        self._most = most
        self._make = make
        self._overflow = overflow

    def __missing__(self, key: K) -> V:
        if len(self) >= self._most and key != self._overflow:
            return self[self._overflow]
        value = self[key] = self._make()
        return value


Tallies = Bounded[K, "Counter[str]"]


class Totals:
    """What has happened so far.

    Attributes:
        http: Answers to HTTP requests, by method, route and status.
        calls: Calls, by server and tool, then by outcome.
        durations: How long calls took, by server and tool.
        queued: How long calls waited for their turn, by server; those that did.
        failures: Calls that failed, by server, then by code.
        events: What happens to servers, by server, then by what it is.
        saved: What was left out of results, by how, then `results` or `bytes`.
        other: Everything else, by what it is, then by kind.
    """

    def __init__(self) -> None:
        paths: tuple[str, str, int | str] = ("OTHER", f"/{OVERFLOW}", "other")
        tools = (OVERFLOW, OVERFLOW)
        self.http: Bounded[tuple[str, str, int | str], Durations] = Bounded(MOST_PATHS, Durations, paths)
        self.calls: Tallies[tuple[str, str]] = Bounded(MOST_TOOLS, Counter, tools)
        self.durations: Bounded[tuple[str, str], Durations] = Bounded(MOST_TOOLS, Durations, tools)
        self._bound: dict[tuple[str, str], tuple[Counter[str], Durations]] = {}
        self.queued: Bounded[str, Durations] = Bounded(MOST_SERVERS, Durations, OVERFLOW)
        self.failures: Tallies[str] = Bounded(MOST_SERVERS, Counter, OVERFLOW)
        self.events: Tallies[str] = Bounded(MOST_SERVERS, Counter, OVERFLOW)
        self.saved: dict[str, Counter[str]] = {"shield": Counter(), "toon": Counter(), "plain": Counter()}
        self.other: Tallies[str] = Bounded(MOST_SERVERS, Counter, OVERFLOW)

    def listen(self, bus: Bus) -> Callable[[], None]:
        """Counts from now on. Gives what ends that."""
        ends = [
            bus.subscribe(HttpEnded, self._http),
            bus.subscribe(CallEnded, self._call),
            bus.subscribe(CallRetried, lambda f: self._event(f.server, "retry")),
            bus.subscribe(ResultShortened, self._shortened),
            bus.subscribe(ServerUp, lambda f: self._event(f.server, "reconnect" if f.again else "connect")),
            bus.subscribe(ServerDown, lambda f: self._event(f.server, "disconnect")),
            bus.subscribe(ConnectFailed, lambda f: self._event(f.server, "connect_failure")),
            bus.subscribe(ToolSuiteChanged, lambda f: self._event(f.server, "tool_suite_change")),
            bus.subscribe(SignInNeeded, lambda f: self._event(f.server, "sign_in_needed")),
            bus.subscribe(Reloaded, lambda f: self._other("reloads", "failed" if f.error else "ok")),
            bus.subscribe(LimitReached, lambda f: self._other("limits", f.limit)),
            bus.subscribe(Denied, lambda f: self._other("denials", f.server or OTHER)),
            bus.subscribe(ApprovalAnswered, lambda f: self._other("approvals", f.answer)),
        ]

        def leave() -> None:
            for end in ends:
                end()

        return leave

    def by_server(self) -> dict[str, dict[str, float]]:
        """Calls so far, those that failed, and how long they took, by server."""
        found: dict[str, dict[str, float]] = {}
        for (server, tool), durations in self.durations.items():
            known = found.setdefault(server, {"calls": 0, "failed": 0, "milliseconds": 0.0})
            known["calls"] += durations.count
            known["failed"] += self.calls[server, tool][FAILED]
            known["milliseconds"] += durations.total * 1000
        return found

    def snapshot(self) -> Totals:
        """The same as it is now, for another thread."""
        same = Totals()
        for name, bounded in (("http", self.http), ("durations", self.durations), ("queued", self.queued)):
            getattr(same, name).update({key: durations.copy() for key, durations in bounded.items()})
        for name in ("calls", "failures", "events", "other"):
            getattr(same, name).update({key: Counter(counts) for key, counts in getattr(self, name).items()})
        same.saved = {how: Counter(counts) for how, counts in self.saved.items()}
        return same

    def _http(self, ended: HttpEnded) -> None:
        method = ended.method if ended.method in HTTP_METHODS else "OTHER"
        status = ended.status if 100 <= ended.status <= 599 else "other"
        durations = self.http[method, ended.route or UNMATCHED, status]
        # With every request: no further call.
        durations.count += 1
        durations.total += ended.seconds

    def _call(self, ended: CallEnded) -> None:
        # Prompts and resources have no bounded names: they count by their method. Names that callers make up
        # for a server that is down must not push out those of tools.
        name = ended.target if ended.listed else OTHER
        key = ended.server, name if ended.method == "tools/call" else ended.method
        bound = self._bound.get(key)
        if bound is None:
            bound = self.calls[key], self.durations[key]
            if key in self.calls:
                self._bound[key] = bound
        outcomes, durations = bound
        outcomes[ended.outcome] += 1
        seconds = ended.seconds
        durations.count += 1
        durations.total += seconds
        durations.classes[bisect_left(BOUNDS, seconds)] += 1
        if ended.waited:
            self.queued[ended.server].add(ended.waited)
        if ended.code:
            _count(self.failures[ended.server], ended.category or ended.code)

    def _shortened(self, result: ResultShortened) -> None:
        saved = self.saved[result.how]
        saved["results"] += 1
        saved["bytes"] += result.before - result.after

    def _event(self, server: str, what: str) -> None:
        _count(self.events[server], what)

    def _other(self, what: str, kind: str) -> None:
        _count(self.other[what], kind)


def _count(counter: Counter[str], kind: str) -> None:
    """Counts one more; servers may make up as many kinds as they like."""
    counter[kind if kind in counter or len(counter) < MOST_KINDS else OVERFLOW] += 1
