"""How a server has been doing: the record that status shows, and how often in a row it failed. Pure.

Kept by `callmux.upstream.server`, which alone changes it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from callmux.patterns import late
from callmux.timestamps import iso

MOST_SAID = 500
"""Different lines of failed attempts that are remembered."""

_NUMBERS = late(r"\d+")


class State(Enum):
    """Where a server stands."""

    STARTING = "starting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"
    SLEEPING = "sleeping"


class Health:
    """One server's record. Times are seconds since 1970.

    Attributes:
        state: Where it stands.
        error: Its last failure in words; None since it is connected.
        connect_ms: How long the last attempt took.
        failed_attempt: The last thing that happened was an attempt that failed.
        step: How far the delays between attempts have grown.
        sign_in: A person must sign in; `error` says how.
    """

    def __init__(self) -> None:
        self.state = State.STARTING
        self.error: str | None = None
        self.connect_ms = 0
        self.failed_attempt = False
        self.step = 0
        self.sign_in = False
        self._failures = 0
        self._attempts = 0
        self._connected_at: float | None = None
        self._failed_at: float | None = None
        self._next_retry: float | None = None
        self._said: set[str] = set()

    @property
    def attempts(self) -> int:
        """How many attempts in a row have failed."""
        return self._attempts

    def is_news(self, line: str) -> bool:
        """Whether a line of its stderr is to be shown: what an earlier failed attempt said, too, is not.

        Lines that differ in numbers only (times, process ids) count as the same.
        """
        if self.state is State.CONNECTED:
            return True
        line = _NUMBERS().sub("#", line)
        known = line in self._said
        if len(self._said) < MOST_SAID:
            self._said.add(line)
        return not known or not self._attempts

    def last_seen(self, now: float) -> str:
        """ISO time of the last connect before now; now where there was none."""
        return iso(self._connected_at if self._connected_at is not None else now)

    def connected(self, now: float) -> None:
        """Records that an attempt succeeded."""
        self.state = State.CONNECTED
        self.error = None
        self.sign_in = False
        self._failures = self._attempts = 0
        self._said.clear()
        self.failed_attempt = False
        self._connected_at = now

    def attempt_failed(self, reason: str, now: float, sign_in: bool = False) -> bool:
        """Records that an attempt failed. Gives whether it failed as the one before it.

        Args:
            sign_in: Whether that is because a person must sign in.
        """
        self.sign_in = sign_in
        again = self._attempts > 0 and _NUMBERS().sub("#", reason) == _NUMBERS().sub("#", self.error or "")
        self.failed_attempt = True
        self._attempts += 1
        self.step += 1
        self._note(reason, now)
        return again

    def disconnected(self, reason: str, now: float, short_lived_seconds: float) -> None:
        """Records that the connection was lost. One that lived for a while starts with short delays again;
        one that dies sooner than `short_lived_seconds` does not."""
        self.state = State.DISCONNECTED
        lived = now - (self._connected_at if self._connected_at is not None else now)
        self.step = 0 if lived >= short_lived_seconds else self.step + 1
        self._note(reason, now)

    def gave_up(self) -> None:
        """No further attempt is due. A later call tries again, and with it the policy starts over."""
        self.state = State.FAILED
        self.step, self.failed_attempt = 1, False

    def rests(self, until: float) -> None:
        """No further attempt is made until then, and after that by the next call that needs the server."""
        self.state = State.FAILED
        self._next_retry = until

    def starts_over(self) -> None:
        """Forgets earlier failures, because the server is restarted on demand."""
        self.state = State.RECONNECTING
        self.step, self.failed_attempt = 0, False

    def sleeps(self) -> None:
        """Nobody needs the server: it is down, and nothing is wrong."""
        self.state = State.SLEEPING
        self.step, self.failed_attempt = 0, False

    def wakes(self) -> None:
        """Somebody needs it."""
        self.state = State.STARTING

    def retries_at(self, when: float | None) -> None:
        """Records when the next attempt is due; None while none is."""
        if when is not None:
            self.state = State.RECONNECTING
        self._next_retry = when

    def _note(self, reason: str, now: float) -> None:
        self.error = reason
        self._failures += 1
        self._failed_at = now

    def record(self) -> dict[str, Any]:
        """The facts as status shows them; see docs/tools.md, `callmux_status`."""
        facts: dict[str, Any] = {"state": self.state.value, "connectDurationMs": self.connect_ms}
        if self.error is not None:
            facts["error"] = facts["lastError"] = self.error
        if self.sign_in:
            facts["signInNeeded"] = True
        if self._connected_at is not None:
            facts["lastConnectedAt"] = iso(self._connected_at)
        if self._failed_at is not None:
            facts["lastFailureAt"] = iso(self._failed_at)
        if self._failures:
            facts["consecutiveFailures"] = self._failures
        if self._attempts:
            facts["reconnectAttempts"] = self._attempts
        if self._next_retry is not None:
            facts["nextRetryAt"] = iso(self._next_retry)
        return facts
