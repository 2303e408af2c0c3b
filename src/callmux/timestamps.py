"""How a moment is written: the one format of every timestamp of ours. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """`seconds` since 1970 as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
