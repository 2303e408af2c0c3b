"""The calls that one request of a client made, one by one: the latest requests that made several. Pure.

Made by `callmux.observe.chronicle`, told by `callmux.observe.samples`, read by the dashboard. A request with
one call needs none of this: its event says all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from callmux.failures.registry import find, next_step
from callmux.observe.facts import OK, TOOL_ERROR, CallEnded, RequestEnded
from callmux.observe.wording import said
from callmux.timestamps import iso

MOST = 300
"""Requests that are kept."""
MOST_CALLS = 500
"""Calls of one that are kept."""
LONGEST = 300
Calls = Sequence[tuple[float, CallEnded]]


class FanOuts:
    """The requests."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, RequestEnded, Calls]] = OrderedDict()

    def add(self, at: float, request: RequestEnded, calls: Calls) -> None:
        """A request is over.

        Args:
            at: When, in seconds since 1970.
            calls: Its calls, each with the time at which it ended.
        """
        if request.request_id:
            self._kept[request.request_id] = (at, request, calls[:MOST_CALLS])
            self._kept.move_to_end(request.request_id)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)

    def shown(self, request_id: str) -> dict[str, Any]:
        """A request with its calls in the order in which they began; without calls where nothing is known."""
        kept = self._kept.get(request_id)
        if kept is None:
            return {"children": []}
        at, request, calls = kept
        began = at - request.seconds
        children = [_call(ended - call.seconds - began, call) for ended, call in calls]
        shown = {
            "requestId": request_id,
            "at": iso(at),
            "tool": said(request.name, LONGEST),
            "durationMs": round(request.seconds * 1000),
            "client": said(request.client, LONGEST),
            "calls": request.calls,
            "ok": request.outcome in (OK, TOOL_ERROR),
            "status": request.outcome,
            "children": sorted(children, key=lambda child: int(child["offsetMs"])),
        }
        return shown | {"error": said(request.code, LONGEST)} if request.code else shown


def _call(offset: float, call: CallEnded) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "server": call.server,
        "tool": said(call.target, LONGEST),
        "offsetMs": max(0, round(offset * 1000)),
        "durationMs": round(call.seconds * 1000),
        "status": call.outcome,
        "source": call.source,
        "bytesOut": call.received,
    }
    if call.waited >= 0.001:
        shown["waitedMs"] = round(call.waited * 1000)
    if call.attempts > 1:
        shown["retries"] = call.attempts - 1
    if call.outcome != OK and call.code:
        shown["error"] = said(call.code, LONGEST)
        failure = find(f"{call.code}.{call.category}") or find(call.code)
        if failure is not None:
            shown["nextStep"] = next_step(failure, {"server": call.server, "tool": call.target})
    return shown
