"""What a credential gives its bearer, and for how long it holds. Pure.

Made by `callmux.guard.bearer`; remembered by `callmux.guard.memory`. What was granted ends at once when that
by which it was granted is taken away: a token of the configuration, a key of an issuer.
"""

from __future__ import annotations

import math

import msgspec

from callmux.guard.principal import Principal


class Undecided(Exception):
    """Whether a credential is good cannot be said now; it may be, a moment later."""


class Standing:
    """Whether a token of the configuration, or a key of an issuer, is still in force.

    Attributes:
        valid: It is.
    """

    __slots__ = ("valid",)

    def __init__(self) -> None:
        self.valid = True


class Grant(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one credential gives.

    Attributes:
        principal: Whom it stands for.
        standing: That of the token or key by which it was found good.
        not_before: Seconds since 1970 from which it holds.
        expires: Seconds since 1970 from which it holds no more.
        audiences: For whom a token was issued; empty where it does not say.
        lacks: Scopes that are asked for and that it has not.
        remembered_seconds: How long it counts without another look at the credential.
    """

    principal: Principal
    standing: Standing
    not_before: float = -math.inf
    expires: float = math.inf
    audiences: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    remembered_seconds: float = math.inf

    def holds(self, now: float) -> bool:
        """Whether it does at a time, in seconds since 1970."""
        return self.standing.valid and self.not_before <= now < self.expires
