"""How old a result from the cache is, and how whoever is given it is told. Pure.

Called by `callmux.rings.cache.stage`, where the configuration wants it told. What is kept carries the time: a
line after the result, since a result ends with a bracket, so that a store need not know of it and any process
can read it. A file that its agent has changed by itself, a clock, the state of a job: what they say is old
within seconds, and nothing tells callmux.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from callmux.protocol.shapes import AGE, Aged, Result

FROM_SECONDS = 1.0
"""Younger results count as new: equal calls of one answer, or of agents that work at the same time."""
KEY = "callmux/cache"
"""The member of `_meta` that tells the age."""

_encode = msgspec.json.Encoder().encode


def stamped(raw: bytes, now: float) -> bytes:
    """A result as it is kept, with the time in seconds since 1970."""
    return b"%b\n%d" % (raw, round(now * 1000)) if raw[-1:] == b"}" else raw


def unstamped(kept: bytes) -> tuple[bytes, float | None]:
    """A result that was kept, and since when; None where that does not stand there."""
    if kept[-1:] == b"}":
        return kept, None
    raw, _, since = kept.rpartition(b"\n")
    return (raw, int(since) / 1000) if since.isdigit() else (kept, None)


def aged(raw: bytes, seconds: float, *, direct: bool) -> Result:
    """A result of this age as a call is answered with it.

    Args:
        direct: Whether it is an answer by itself, and cannot be one of several.
    """
    plain = Result(raw)
    if seconds < FROM_SECONDS:
        return plain
    age = int(seconds)
    members: dict[str, object] = dict(plain.members())
    said = f"(kept by callmux for {age} s; callmux_call with forceReconnect: true asks anew)"
    content = plain.head.content
    further = Raw(_encode({"type": "text", "text": said}))
    members["content"] = [*([] if content is UNSET else content), further]
    meta = plain.head.meta
    if meta is UNSET or bytes(meta)[:1] == b"{":
        own = {} if meta is UNSET else msgspec.json.decode(meta, type=dict[str, Raw])
        members["_meta"] = {**own, KEY: {AGE: age}}
    marked = _encode(members)
    if direct:
        return Result(marked)
    return Aged(marked, plain=plain, beside={AGE: Raw(b"%d" % age)})
