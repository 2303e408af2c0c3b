"""How long a result holds and for whom, as MCP 2026-07-28 says it (server/utilities/caching). Pure.

Read where pages of lists come in (`callmux.upstream.reading.paging`) and where a resource was read
(`callmux.rings.cache.holding`); `callmux.session.modern.serving` and `callmux.router.offers` tell clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

import msgspec
from msgspec import Raw

from callmux.protocol.params import members

TTL, SCOPE = "ttlMs", "cacheScope"
PUBLIC = b'"public"'


class Freshness(msgspec.Struct, frozen=True):
    """What a server says of a result.

    Attributes:
        ms: For how many milliseconds it holds.
        private: Whether it is for those alone who have the same credentials.
    """

    ms: float = inf
    private: bool = False

    def narrowed(self, other: Freshness) -> Freshness:
        """What holds for a result of which both are a part."""
        return Freshness(min(self.ms, other.ms), self.private or other.private)


def narrowest(parts: Iterable[Freshness]) -> Freshness:
    """What holds for a result that is made of all of these."""
    whole = Freshness()
    for part in parts:
        whole = whole.narrowed(part)
    return whole


def told(given: Mapping[str, bytes | Raw]) -> Freshness:
    """What the members of a result say. What says nothing holds for no time, and for its reader alone."""
    return Freshness(milliseconds(given.get(TTL)), bytes(given.get(SCOPE, b"")) != PUBLIC)


def milliseconds(raw: bytes | Raw | None) -> float:
    """How long something holds: not at all where that cannot be read."""
    try:
        return max(msgspec.json.decode(raw or b"0", type=float), 0.0)
    except msgspec.MsgspecError:
        return 0.0


def speaks(result: bytes) -> bool:
    """Whether a result may say how long it holds, or for whom."""
    return b'"ttlMs"' in result or b'"cacheScope"' in result


def said_to(result: bytes, *, modern: bool, private: bool = False, spent: bool = False) -> bytes:
    """A result as a client is told it.

    Args:
        modern: Whether the client's revision has such hints; else they are left out.
        private: Whether it is for those alone who may use the same.
        spent: Whether nobody knows how much of its time is left.
    """
    if not speaks(result):
        return result
    given = members(result)
    if not modern:
        kept = {name: raw for name, raw in given.items() if name not in (TTL, SCOPE)}
        return msgspec.json.encode(kept)
    if private:
        given[SCOPE] = Raw(b'"private"')
    if spent:
        given[TTL] = Raw(b"0")
    return msgspec.json.encode(given) if private or spent else result
