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
    ) -> None:
        self._waiter = waiter
        self._seconds = seconds
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
