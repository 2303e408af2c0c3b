"""When a server that is down is tried again: by itself after a delay, or by the next call that may.

Kept by `callmux.upstream.opening.main_line`; how long to wait, says `callmux.upstream.opening.reconnect`.
Where only whoever needs the server starts it, not each call starts it anew: it rests for as long as the delay
would be, and calls are told until when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from callmux.clock import Clock
from callmux.upstream.health import Health
from callmux.upstream.opening.reconnect import Timing, delay_seconds, rest_seconds

SIGN_IN_SECONDS = 3600.0
"""Between two attempts while a person must sign in to a server that was never up."""


class NextAttempt:
    """The next attempt of one server.

    Args:
        health: How the server has been doing; is told when it is tried again.
        clock: Time.
        begin: Makes the attempt.
    """

    def __init__(self, health: Health, clock: Clock, begin: Callable[[], object]) -> None:
        self._health = health
        self._clock = clock
        self._begin = begin
        self._timer: asyncio.TimerHandle | None = None
        self._rests_until = 0.0

    def __repr__(self) -> str:
        return f"NextAttempt({'due' if self._timer is not None else 'resting' if self.waits else 'open'})"

    @property
    def waits(self) -> bool:
        """Whether none is to be made now."""
        return self._timer is not None or asyncio.get_running_loop().time() < self._rests_until

    def plan(self, timing: Timing, *, needed: bool, was_up: bool, lasting: bool = False) -> float | None:
        """Plans it, after one that failed or a loss; gives in how many seconds it is made, None for never.

        Args:
            needed: Whether the server is to be connected again by itself.
            was_up: Whether it was ever connected.
            lasting: Whether what failed will not go away by itself.
        """
        health = self._health
        delay = delay_seconds(timing.policy, health.step, lasting=lasting)
        if health.sign_in and (delay is None or not was_up):
            # Whoever signs in is seen at once; until then, asking more often is of no use. One that was up
            # may have had enough of no sign-in, and has it again.
            delay = SIGN_IN_SECONDS
        if delay is not None and needed:
            health.retries_at(self._clock.wall() + delay)
            self._timer = asyncio.get_running_loop().call_later(delay, self._begin)
            return delay
        if timing.on_demand:
            rest = rest_seconds(timing.policy, health.step)
            self._rests_until = asyncio.get_running_loop().time() + rest
            health.rests(self._clock.wall() + rest)
        else:
            health.gave_up()
        return None

    def cancel(self) -> None:
        """Whatever was planned is planned no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._rests_until = 0.0
        self._health.retries_at(None)
