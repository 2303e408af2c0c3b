"""The time that one request has, which stands still while the listener asks a person.

Kept by `callmux.bridge.link` for each of its requests. A listener that waits for somebody's approval says so
before (`callmux.session.reach`), for how long at most, and again when that is over: then the request has
all of its time, as the call has there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Raw

from callmux.bridge.budget import MARGIN_MS
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.stream import Waiter

MORE_SECONDS = 30.0
"""What a request gets after its time, each time the listener shows that it is there."""
LONGEST_SECONDS = 30 * 24 * 3600.0
"""The longest that a listener may ask for: its own keys allow less."""


LOOK_SECONDS = 1.0
"""How long a request is on its way before it has a timer of its own."""


class _Waiting(msgspec.Struct):
    seconds: float = 0.0


_WAITING = msgspec.json.Decoder(_Waiting)


class RequestTime:
    """The time of a request.

    Args:
        waiter: Where its answer is awaited.
        seconds: How long that may take.
        hard: Whether it fails then; else it goes on as long as the listener answers.
        ping: Makes sure that the listener is there; raises `LinkFailure` where it is not.
        spawn: Starts a task that the link ends.
        whole: How long it had at first, where some of it is over.

    Attributes:
        stood: Seconds for which it stood still.
    """

    def __init__(
        self,
        waiter: Waiter,
        seconds: float,
        hard: bool,
        ping: Callable[[], Coroutine[Any, Any, object]],
        spawn: Callable[[Coroutine[Any, Any, Any]], object],
        whole: float | None = None,
    ) -> None:
        self._waiter = waiter
        self._seconds = seconds if whole is None else whole
        self._hard = hard
        self._ping = ping
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._due)
        self._open = 0
        self._since = 0.0
        self.stood = 0.0

    def __repr__(self) -> str:
        return f"RequestTime({self._seconds:g} s{', standing still' if self._open else ''})"

    def told(self, params: Raw | None) -> None:
        """The listener says that a person is asked, or that one question is over (0 seconds)."""
        try:
            seconds = _WAITING.decode(params if params is not None else b"{}").seconds
        except msgspec.MsgspecError:
            return
        now = self._loop.time()
        if seconds > 0:
            if not self._open:
                self._since = now
            self._open += 1
            self._begin(min(seconds, LONGEST_SECONDS) + MARGIN_MS / 1000)
        elif self._open:
            self._open -= 1
            if not self._open:
                self.stood += now - self._since
                self._begin(self._seconds)

    def end(self) -> None:
        """The request is over."""
        self._timer.cancel()
        if self._open:
            self.stood += self._loop.time() - self._since
            self._open = 0

    def _begin(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._due)

    def _due(self) -> None:
        if self._waiter.done():
            return
        if self._hard:
            self._late()
        else:
            self._spawn(self._extend())

    def _late(self) -> None:
        if not self._waiter.done():
            self._waiter.set_exception(LinkFailure(Reason.LATE, "the listener did not answer in time"))

    async def _extend(self) -> None:
        """A request past its time goes on while the listener is alive: that one bounds every call itself."""
        while not self._waiter.done():
            try:
                await self._ping()
            except LinkFailure:
                self._late()
                return
            await asyncio.wait([self._waiter], timeout=MORE_SECONDS)


class RequestTimes:
    """The times of the requests of one link. Most are answered before they need a timer.

    Args:
        ping, spawn: As for `RequestTime`.
    """

    def __init__(
        self,
        ping: Callable[[], Coroutine[Any, Any, object]],
        spawn: Callable[[Coroutine[Any, Any, Any]], object],
    ) -> None:
        self._ping, self._spawn = ping, spawn
        self._loop = asyncio.get_running_loop()
        self._new: dict[int, tuple[Waiter, float, float, bool]] = {}
        self._times: dict[int, RequestTime] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"RequestTimes({len(self._new)} new, {len(self._times)} with timers)"

    def begin(self, id: int, waiter: Waiter, seconds: float, hard: bool) -> None:
        """A request is sent; for the rest see `RequestTime`."""
        self._new[id] = waiter, self._loop.time(), seconds, hard
        if seconds <= 2 * LOOK_SECONDS:
            self._of(id)
        elif self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def told(self, id: int | None, params: Raw | None) -> None:
        """The listener says of a request that a person is asked, or that this is over."""
        if id is not None and (time := self._of(id)) is not None:
            time.told(params)

    def end(self, id: int) -> float:
        """A request is over; gives the seconds for which its time stood still."""
        if self._new.pop(id, None) is not None or (time := self._times.pop(id, None)) is None:
            return 0.0
        time.end()
        return time.stood

    def close(self) -> None:
        """No request needs any more time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _of(self, id: int) -> RequestTime | None:
        """The time of a request, which has a timer from now on; None where it is over."""
        if (new := self._new.pop(id, None)) is not None:
            waiter, since, seconds, hard = new
            left = since + seconds - self._loop.time()
            self._times[id] = RequestTime(waiter, left, hard, self._ping, self._spawn, seconds)
        return self._times.get(id)

    def _look(self) -> None:
        """Some have been on their way for a while."""
        self._timer = None
        latest = self._loop.time() - LOOK_SECONDS / 2
        for id in [id for id, (_, since, _, _) in self._new.items() if since <= latest]:
            self._of(id)
        if self._new:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
