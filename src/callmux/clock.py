"""Time as a value that tests can hold still. Policies take the time as an argument; shells ask a `Clock`."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec


class Clock(msgspec.Struct, frozen=True):
    """Two readings of time.

    Attributes:
        monotonic: Seconds that never go back, for durations and deadlines.
        wall: Seconds since 1970, for what people read.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
