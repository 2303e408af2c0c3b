"""Tool calls of clients as history knows them: a request and all calls that it made, in one record. Pure.

`Sampler` is made by `callmux.observe.chronicle`, which hears what it puts together. No record holds
arguments, results or credentials.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from callmux.observe.bus import Bus
from callmux.observe.facts import CANCELLED, FAILED, OK, TOOL_ERROR, CallEnded, RequestEnded
from callmux.observe.fan_outs import FanOuts

PREFIX = "callmux_"
RUNNING = frozenset({"call", "batch", "parallel", "pipeline", "recipe_run"})
"""Meta-tools that are counted: those that make calls."""
MOST_PENDING = 20_000
"""Calls whose request is not over, as far as is known."""
STATUS = {OK: "ok", TOOL_ERROR: "downstream_error", FAILED: "error", CANCELLED: "aborted"}
DIRECT = "direct"
LONGEST = 300
"""Characters of a name that a client may have made up."""


class Sample(msgspec.Struct, frozen=True):
    """One tool call of a client.

    Attributes:
        at: When it ended, in seconds since 1970.
        tool: The name as the client spelled it.
        operation: `direct`, or the meta-tool without its prefix.
        targets: Server, tool, and how often.
        status: `ok`; `downstream_error`, a result that says that it is one; `error`; `aborted`.
        code: The code of a failure; empty for none.
        seconds: How long it took.
        sent, received: Bytes of arguments to servers, and of the answer.
        session_id, request_id, client: Of the request.
        principal: Who asked; empty for nobody known.
        cached: Whether nothing of it came from a server.
        headers: Server, tool and name of each header of the client that a server got.
    """

    at: float
    tool: str
    operation: str
    targets: tuple[tuple[str, str, int], ...]
    status: str
    code: str
    seconds: float
    sent: int
    received: int
    session_id: str
    request_id: str
    client: str
    principal: str
    cached: bool
    headers: tuple[tuple[str, str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether callmux and its servers did what was asked, whatever the answer says."""
        return self.status in ("ok", "downstream_error")

    @property
    def calls(self) -> int:
        """How many calls to servers it made."""
        return sum(count for _, _, count in self.targets)

    @property
    def meta(self) -> int:
        """1 for a meta-tool that makes calls."""
        return 1 if self.operation in RUNNING else 0

    @property
    def passthrough(self) -> int:
        """1 for a tool of a server that was called by its own name."""
        return 1 if self.operation == DIRECT and self.targets else 0

    @property
    def downstream(self) -> int:
        """How many calls meta-tools made for it."""
        return 0 if self.operation == DIRECT else self.calls


class Sampler:
    """Puts samples together.

    Args:
        bus: Where it hears.
        wall: The time of day.
        tell: Gets each sample.
        fan_outs: Gets the calls of requests that made several.
    """

    def __init__(
        self,
        bus: Bus,
        wall: Callable[[], float],
        tell: Callable[[Sample], None],
        fan_outs: FanOuts | None = None,
    ) -> None:
        self._wall = wall
        self._tell = tell
        self._fan_outs = fan_outs
        self._pending: dict[int, list[tuple[float, CallEnded]]] = {}
        self._leave = [bus.subscribe(CallEnded, self._call), bus.subscribe(RequestEnded, self._request)]

    def leave(self) -> None:
        """Hears no more."""
        for leave in self._leave:
            leave()

    def _call(self, fact: CallEnded) -> None:
        if fact.method != "tools/call":
            return
        found = self._pending.get(fact.request)
        if found is None:
            if len(self._pending) >= MOST_PENDING:
                del self._pending[next(iter(self._pending))]
            self._pending[fact.request] = [(self._wall(), fact)]
        else:
            found.append((self._wall(), fact))

    def _request(self, fact: RequestEnded) -> None:
        found = self._pending.pop(fact.request, ())
        if fact.method == "tools/call":
            at = self._wall()
            # An earlier request may have stood for the same number, and left a call that ended later.
            began = at - fact.seconds - 0.001
            self._tell(sample_of(at, fact, [call for when, call in found if when >= began]))
            if len(found) > 1 and self._fan_outs is not None:
                self._fan_outs.add(at, fact, [one for one in found if one[0] >= began])


def sample_of(at: float, fact: RequestEnded, calls: list[CallEnded]) -> Sample:
    """The sample of a request and its calls."""
    name = _kept(fact.name)
    if len(calls) == 1:
        first = calls[0]
        within, sent = first.within, first.sent
        targets: tuple[tuple[str, str, int], ...] = ((first.server, _kept(first.target), 1),)
        cached = first.source == "cache"
    else:
        within, sent, cached = (calls[0].within if calls else ""), 0, bool(calls)
        counts: dict[tuple[str, str], int] = {}
        for call in calls:
            key = call.server, _kept(call.target)
            counts[key] = counts.get(key, 0) + 1
            sent += call.sent
            cached = cached and call.source == "cache"
        targets = tuple((server, tool, count) for (server, tool), count in counts.items())
    is_own = bool(within) or (not calls and name.startswith(PREFIX))
    headers: tuple[tuple[str, str, str], ...] = ()
    for call in calls:
        # What the cache answers, or an equal call, sends nothing.
        if call.forwarded and call.source == "server":
            own = {(call.server, _kept(call.target), header): None for header in call.forwarded}
            headers = tuple(dict.fromkeys((*headers, *own)))
    return Sample(
        at,
        name,
        name.removeprefix(PREFIX) if is_own else DIRECT,
        targets,
        STATUS[fact.outcome],
        fact.code,
        fact.seconds,
        sent,
        fact.size,
        fact.session_id,
        fact.request_id,
        _kept(fact.client),
        "" if fact.principal is None else fact.principal.label,
        cached,
        headers,
    )


def _kept(name: str) -> str:
    """A name, cut, and as text that can be written: half of a surrogate pair cannot."""
    name = name[:LONGEST]
    return name if name.isascii() else name.encode("utf-8", "replace").decode()
