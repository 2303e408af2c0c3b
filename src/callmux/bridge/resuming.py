"""Goes on with the broken stream of an answer, as long as somebody waits for that.

Called by `callmux.bridge.link`, one task an answer. A listener that takes each reconnect and closes it again
lets us poll: that goes on at its pace. What breaks without bringing anything is counted; a listener that is
away is waited for, and one that refuses ends it: what became of the request is unknown then.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.stream import Stream, Waiter
from callmux.protocol.failure_points import Carrier, Point, known
from callmux.protocol.http_client import RESUMPTIONS, SHORTEST_POLL_SECONDS
from callmux.protocol.sse import EventBuffer

OUTAGE_SECONDS = 30.0
"""How long a broken stream waits for the listener to come back."""
AFTER_OUTAGE_SECONDS = 2.0
"""How long a stream may take to bring anything after the listener was away: it may have forgotten it."""
GRACE_SECONDS = 5.0
"""How long a stream may stay open after its answer."""
LONGEST_RETRY_SECONDS = 30.0
LONGEST_UNASKED_SECONDS = 1.0
"""The longest pause between polls where the listener asks for none."""
_WAITS = (Reason.UNREACHABLE, Reason.BUSY, Reason.BROKEN)


class ResumingOwner(Protocol):
    """The link, as far as this knows it."""

    @property
    def closed(self) -> bool:
        """Whether nothing more begins with it."""

    async def open_stream(self, events: EventBuffer, waiter: Waiter | None) -> Stream:
        """Opens a GET stream that goes on after the last event; raises `LinkFailure` where there is none."""

    def watch(self, stream: Stream) -> None:
        """Has it end once it has been silent for too long."""


async def resume(link: ResumingOwner, events: EventBuffer, waiter: Waiter, why: str) -> None:
    """Waits until `waiter` has its answer, or fails it.

    Args:
        why: How its stream broke.
    """
    loop = asyncio.get_running_loop()
    was_away = False
    broken = empty = 0
    delay = _asked(events)
    until = loop.time() + OUTAGE_SECONDS
    try:
        while not waiter.done():
            seen = events.last_id
            if delay:
                await asyncio.wait([waiter], timeout=delay)
                if waiter.done():
                    return
            try:
                stream = await link.open_stream(events, waiter)
            except LinkFailure as failure:
                if link.closed or failure.reason not in _WAITS or loop.time() > until:
                    why = f"{why}; it could not be resumed: {failure.message}"
                    break
                was_away = was_away or failure.reason is Reason.UNREACHABLE
                delay = min(0.25, delay * 2 or 0.02)
                continue
            await _read(link, stream, waiter, AFTER_OUTAGE_SECONDS if was_away else None)
            nothing_new = events.last_id == seen
            if was_away and not stream.finished and nothing_new:
                break
            if stream.finished and not stream.is_events:
                why = f"{why}; the listener sent something other than an event stream"
                break
            until = loop.time() + OUTAGE_SECONDS
            broken = broken + 1 if nothing_new and stream.was_cut else 0
            empty = empty + 1 if nothing_new else 0
            if broken >= RESUMPTIONS:
                break
            unasked = min(SHORTEST_POLL_SECONDS * 2.0**empty, LONGEST_UNASKED_SECONDS) if empty else 0.0
            delay = max(
                _asked(events), SHORTEST_POLL_SECONDS if empty and events.retry_ms is not None else unasked
            )
    finally:
        # Whatever ends this, a fault of ours, too: nobody waits for ever.
        if not waiter.done():
            unknown = known(Carrier.BRIDGE, Point.NO_RESUMPTION)
            waiter.set_exception(LinkFailure(Reason.BROKEN, why, known=unknown))


def _asked(events: EventBuffer) -> float:
    """The pause that the listener asks for."""
    return min((events.retry_ms or 0) / 1000, LONGEST_RETRY_SECONDS)


async def _read(link: ResumingOwner, stream: Stream, waiter: Waiter, seconds: float | None) -> None:
    """Waits until `waiter` has its answer or the stream has ended, at most `seconds`."""
    link.watch(stream)
    end = asyncio.Event()
    stream.when_ended(end.set)
    waiter.add_done_callback(lambda _: end.set())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await end.wait()
    if waiter.done() and not stream.finished:
        stream.drop(GRACE_SECONDS)
