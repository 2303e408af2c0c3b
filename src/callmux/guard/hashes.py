"""The scrypt hashes of tokens, `scrypt$N$r$p$salt$key`. Pure.

Called by `callmux.guard.bearer`. Made in `callmux.config.secrets`, checked in `callmux.config.kinds`. To
compare takes tens of milliseconds and the memory that N and r ask for: do it in a thread.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode

import msgspec


class ScryptHash(msgspec.Struct, frozen=True):
    """One hash.

    Attributes:
        cost: N.
        block: r.
        parallel: p.
        salt: What makes it another one than that of the same token elsewhere.
        key: What the token becomes.
    """

    cost: int
    block: int
    parallel: int
    salt: bytes
    key: bytes

    @classmethod
    def of(cls, text: str) -> ScryptHash:
        """The hash that a configuration writes as `text`, which was checked."""
        _, cost, block, parallel, salt, key = text.split("$")
        return cls(int(cost), int(block), int(parallel), _decoded(salt), _decoded(key))

    def fits(self, token: bytes) -> bool:
        """Whether it is the hash of a token. The time this takes says nothing of how much of it is right."""
        made = hashlib.scrypt(
            token,
            salt=self.salt,
            n=self.cost,
            r=self.block,
            p=self.parallel,
            maxmem=128 * self.block * (self.cost + self.parallel + 2) + 2**20,
            dklen=len(self.key),
        )
        return hmac.compare_digest(made, self.key)


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
