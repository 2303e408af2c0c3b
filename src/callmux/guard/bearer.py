"""Bearer tokens of a fixed list.

Made by `callmux.guard.guard`, which hands it to the check of credentials: asked for each token that is not
remembered.
A token that fits none is compared with every one of them, so that all wrong tokens take as long.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from callmux.aside import aside
from callmux.config.security import BearerAuth, BearerToken
from callmux.guard.grant import Grant, Standing, Undecided
from callmux.guard.hashes import ScryptHash
from callmux.guard.principal import Principal

SECONDS = 60.0
"""How long one token may take. Each hash takes a twentieth of a second, unless N and r ask for more."""


class _Written(NamedTuple):
    """What a configuration writes of a token; equal for the same token."""

    id: str
    hash: str | None
    plain: str | None


class _Secret(NamedTuple):
    """One token of the list, ready to be compared."""

    grant: Grant
    plain: bytes | None
    hash: ScryptHash | None


class Bearer:
    """The tokens of one configuration.

    Args:
        auth: The configuration.
        before: Those of the configuration before. What is in both stays in force, the rest ends.
    """

    def __init__(self, auth: BearerAuth, before: Bearer | None = None) -> None:
        earlier: dict[_Written, Standing] = {} if before is None else before._standings
        tokens = [_written(token) for token in auth.tokens]
        self._standings: dict[_Written, Standing] = {
            token: standing if (standing := earlier.get(token)) and standing.valid else Standing()
            for token in tokens
        }
        self._secrets = [_secret(token, self._standings[token]) for token in tokens]
        if before is not None:
            before.withdraw(but=auth)

    def withdraw(self, but: BearerAuth | None = None) -> None:
        """Ends what its tokens gave; not for those that `but` has, too."""
        kept = set() if but is None else {_written(token) for token in but.tokens}
        for token, standing in self._standings.items():
            standing.valid = standing.valid and token in kept

    async def examine(
        self, token: bytes, turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> Grant | None:
        """What a token gives; None where it is none of them.

        Args:
            turn: Gives a turn for work that takes a processor.

        Raises:
            TurnedAway: There is no turn.
            Undecided: It takes too long.
        """
        found = [
            secret.grant for secret in self._secrets if secret.plain is not None and _same(secret, token)
        ]
        if found:
            return found[0]
        hashes = [secret for secret in self._secrets if secret.hash is not None]
        if not hashes:
            return None
        async with turn():
            try:
                return await aside(lambda: _first_fit(hashes, token), SECONDS)
            except TimeoutError:
                raise Undecided from None


def _written(token: BearerToken) -> _Written:
    return _Written(token.id, token.hash, None if token.hash is not None else token.token)


def _secret(token: _Written, standing: Standing) -> _Secret:
    grant = Grant(principal=Principal(kind="bearer", id=token.id), standing=standing)
    plain = None if token.plain is None else token.plain.encode()
    return _Secret(grant, plain, None if token.hash is None else ScryptHash.of(token.hash))


def _same(secret: _Secret, token: bytes) -> bool:
    return secret.plain is not None and hmac.compare_digest(secret.plain, token)


def _first_fit(secrets: list[_Secret], token: bytes) -> Grant | None:
    return next((s.grant for s in secrets if s.hash is not None and s.hash.fits(token)), None)
