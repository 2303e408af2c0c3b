"""How a moment is written: the one format of every timestamp of ours. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def iso(seconds: float) -> str:
    """`seconds` since 1970 as ISO 8601 in UTC with milliseconds."""
    # Microseconds are rounded, milliseconds cut. Of what is written at once, most is of the same second.
    milliseconds = int(seconds * 1000 + 0.0005)
    return f"{_to_the_second(milliseconds // 1000)}.{str(1000 + milliseconds % 1000)[1:]}Z"


@lru_cache(maxsize=16)
def _to_the_second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def sortable(seconds: float) -> str:
    """The same as a name for files, which sort by it: `20260105T080910.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
