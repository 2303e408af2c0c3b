"""Which credentials were found good, and which not, so that none is examined again and again. Pure.

Called by `callmux.guard.authentication`. Credentials are known by a keyed digest whose key is made for the
process: what is remembered is of no use to anybody who reads it elsewhere.
"""

from __future__ import annotations

from hashlib import blake2b

from callmux.guard.grant import Grant

GOOD_SECONDS = 300.0
"""How long a good credential is remembered after it was last used."""
BAD_SECONDS = 30.0
MOST = 10_000
"""Credentials of either kind. The longest unused, and the first refused, are forgotten first."""


class Memory:
    """The credentials of one process.

    Args:
        key: Keys the digests: 16 to 64 bytes made by chance.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._good: dict[bytes, tuple[Grant, float, float]] = {}
        self._bad: dict[bytes, float] = {}

    def __repr__(self) -> str:
        return f"Memory({len(self._good)} good, {len(self._bad)} bad)"

    def digest(self, credential: bytes) -> bytes:
        """What a credential is known by."""
        return blake2b(credential, key=self._key, digest_size=32).digest()

    def recall(self, digest: bytes, now: float, wall: float) -> Grant | None:
        """What a credential gives; None where that is not remembered, or does not hold.

        Args:
            now: Monotonic.
            wall: Seconds since 1970.
        """
        found = self._good.pop(digest, None)
        if found is None:
            return None
        grant, examined, seen = found
        if not 0 <= now - seen <= GOOD_SECONDS or now - examined > grant.remembered_seconds:
            return None
        if not grant.holds(wall):
            return None
        # Put in anew: the order is that of use.
        self._good[digest] = (grant, examined, now)
        return grant

    def is_bad(self, digest: bytes, now: float) -> bool:
        """Whether a credential was refused a moment ago."""
        refused = self._bad.get(digest)
        return refused is not None and 0 <= now - refused <= BAD_SECONDS

    def keep(self, digest: bytes, grant: Grant, now: float) -> None:
        """A credential is good."""
        self._bad.pop(digest, None)
        self._good[digest] = (grant, now, now)
        if len(self._good) > MOST:
            del self._good[next(iter(self._good))]

    def refuse(self, digest: bytes, now: float) -> None:
        """A credential is not good."""
        self._bad.pop(digest, None)
        self._bad[digest] = now
        if len(self._bad) > MOST:
            del self._bad[next(iter(self._bad))]

    def reconsider(self) -> None:
        """What was refused may be good now: the configuration is another."""
        self._bad.clear()
