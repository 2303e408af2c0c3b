"""Time as a value that tests can hold still. Policies take the time as an argument; shells ask a `Clock`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec


class Clock(msgspec.Struct, frozen=True):
    """Two readings of time.

    Attributes:
        monotonic: Seconds that never go back, for durations and deadlines.
        wall: Seconds since 1970, for what people read.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


def iso(seconds: float) -> str:
    """`seconds` since 1970 as ISO 8601 in UTC with milliseconds, as every timestamp of ours is written."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
