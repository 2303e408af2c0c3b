"""What is kept in Redis and must not be read there: encrypted, and bound to what it is.

Called by `callmux.stores.redis_tokens` and `callmux.stores.redis_overlay`. AES-256-GCM of `cryptography`,
with a nonce of chance for each value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12


class Unsealable(Exception):
    """It was encrypted with another key, or is something else."""


class Sealing:
    """Encrypts with one key.

    Args:
        key: 32 bytes, of this purpose alone.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher: AESGCM | None = None

    def seal(self, text: bytes, about: str) -> bytes:
        """A text, encrypted.

        Args:
            about: What it is: nobody can put it in the place of something else.
        """
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._made().encrypt(nonce, text, about.encode())

    def unseal(self, value: bytes, about: str) -> bytes:
        """The text.

        Raises:
            Unsealable: There is none to be had.
        """
        from cryptography.exceptions import InvalidTag

        try:
            return self._made().decrypt(value[:NONCE_BYTES], value[NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError):
            raise Unsealable from None

    def _made(self) -> AESGCM:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._key)
        return self._cipher
