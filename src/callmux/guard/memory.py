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


class _Good:
    """A good credential: what it gives, when it was examined, when it was last seen."""

    __slots__ = ("examined", "grant", "seen")

    def __init__(self, grant: Grant, now: float) -> None:
        self.grant = grant
        self.examined = self.seen = now


class Memory:
    """The credentials of one process.

    Args:
        key: Keys the digests: 16 to 64 bytes made by chance.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=32)
        self._good: dict[bytes, _Good] = {}
        self._bad: dict[bytes, float] = {}

    def __repr__(self) -> str:
        return f"Memory({len(self._good)} good, {len(self._bad)} bad)"

    def digest(self, credential: bytes) -> bytes:
        """What a credential is known by."""
        made = self._keyed.copy()
        made.update(credential)
        return made.digest()

    def recall(self, digest: bytes, now: float, wall: float) -> Grant | None:
        """What a credential gives; None where that is not remembered, or does not hold.

        Args:
            now: Monotonic.
            wall: Seconds since 1970.
        """
        found = self._good.get(digest)
        if found is None:
            return None
        grant = found.grant
        # As `Grant.holds`; with every request.
        if (
            0 <= now - found.seen <= GOOD_SECONDS
            and now - found.examined <= grant.remembered_seconds
            and grant.standing.valid
            and grant.not_before <= wall < grant.expires
        ):
            found.seen = now
            return grant
        del self._good[digest]
        return None

    def is_bad(self, digest: bytes, now: float) -> bool:
        """Whether a credential was refused a moment ago."""
        refused = self._bad.get(digest)
        return refused is not None and 0 <= now - refused <= BAD_SECONDS

    def keep(self, digest: bytes, grant: Grant, now: float) -> None:
        """A credential is good."""
        self._bad.pop(digest, None)
        self._good[digest] = _Good(grant, now)
        if len(self._good) > MOST:
            del self._good[min(self._good, key=lambda one: self._good[one].seen)]

    def refuse(self, digest: bytes, now: float) -> None:
        """A credential is not good."""
        self._bad.pop(digest, None)
        self._bad[digest] = now
        if len(self._bad) > MOST:
            del self._bad[next(iter(self._bad))]

    def reconsider(self) -> None:
        """What was refused may be good now: the configuration is another."""
        self._bad.clear()
