"""JSON Web Tokens of an issuer.

Made by `callmux.guard.guard`, which imports it where the configuration has `auth` with mode `oidc_jwt`; asked
for each token that is not remembered. Signatures are checked by joserfc, with a key that the issuer lists and
never with one that comes with the token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from callmux.clock import Clock
from callmux.config.security import OidcAuth
from callmux.guard import claims
from callmux.guard.discovery import addresses, keys_of
from callmux.guard.documents import document
from callmux.guard.grant import Grant, Undecided
from callmux.guard.issuer_keys import IssuerKeys, NoDocument, NoKeys
from callmux.guard.key_set import NotUsable, PublicKey
from callmux.guard.principal import Principal
from callmux.tasks import TaskSet

REMEMBERED_SECONDS = 60.0
"""How long a token is good without a look at the keys: as much later counts that one was withdrawn."""
MOST_HEADER_BYTES = 8192


class Oidc:
    """The tokens of one issuer.

    Args:
        auth: The configuration.
        clock: Time.
        tasks: Own the fetches of keys.

    Attributes:
        auth: The configuration.
    """

    def __init__(self, auth: OidcAuth, clock: Clock, tasks: TaskSet) -> None:
        self.auth = auth
        self._clock = clock
        self._address = auth.jwks_uri
        self._keys = IssuerKeys(self._fetch, auth.jwks_cache_ttl_seconds, clock.monotonic, tasks)
        self._registry = jws.JWSRegistry(algorithms=auth.algorithms, strict_check_header=False)
        self._registry.max_header_length = MOST_HEADER_BYTES

    def withdraw(self) -> None:
        """Ends what its tokens gave."""
        self._keys.close()

    async def examine(
        self, token: bytes, turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> Grant | None:
        """What a token gives; None for nothing.

        Args:
            turn: Gives a turn for work that takes a processor.

        Raises:
            TurnedAway: There is no turn.
            Undecided: That cannot be said now.
        """
        check = partial(claims.check, issuer=self.auth.issuer, audience=self.auth.audience)
        skew = self.auth.clock_skew_seconds
        try:
            async with turn():
                found = claims.parsed(token, self.auth.algorithms)
                check(found.claims, now=self._clock.wall(), skew=skew)
            # The turn is over: whoever waits for keys holds nobody up.
            keys = await self._keys.find(found.head.kid)
            fitting = [key for key in keys if key.takes(found.head.alg)]
            async with turn():
                key = next((key for key in fitting if self._is_signed(token, key)), None)
        except claims.Bad:
            return None
        except (claims.NotNow, NoKeys):
            raise Undecided from None
        return None if key is None else self._grant(found, key)

    def _is_signed(self, token: bytes, key: PublicKey) -> bool:
        kind = RSAKey if key.members["kty"] == "RSA" else ECKey
        try:
            public = kind.import_key(dict(key.members))
            jws.deserialize_compact(token, public, registry=self._registry)
        except (JoseError, ValueError):
            return False
        return True

    def _grant(self, token: claims.Shown, key: PublicKey) -> Grant:
        said, skew = token.claims, self.auth.clock_skew_seconds
        subject, scopes = str(said["sub"]), claims.scopes(said)
        principal = Principal(
            kind="oidc_jwt", id=subject, subject=subject, scopes=scopes, groups=claims.groups(said)
        )
        expires, begins = claims.moment(said, "exp"), claims.moment(said, "nbf")
        assert expires is not None
        return Grant(
            principal=principal,
            standing=key.standing,
            not_before=(-claims.LATEST if begins is None else begins) - skew,
            expires=expires + skew,
            audiences=claims.audiences(said),
            lacks=tuple(scope for scope in self.auth.required_scopes if scope not in scopes),
            remembered_seconds=min(REMEMBERED_SECONDS, self.auth.jwks_cache_ttl_seconds),
        )

    async def _fetch(self) -> bytes:
        seconds = self.auth.jwks_fetch_timeout_ms / 1000
        try:
            async with asyncio.timeout(seconds):
                address = self._address or await self._discovered(seconds)
                raw = await document(address, seconds)
        except (NoDocument, TimeoutError) as error:
            # The keys may have moved.
            self._address = self.auth.jwks_uri
            raise NoDocument(str(error) or f"the issuer does not answer in {seconds:g} s") from None
        self._address = address
        return raw

    async def _discovered(self, seconds: float) -> str:
        """Where the issuer says that its keys are."""
        problem: Exception | None = None
        for address in addresses(self.auth.issuer):
            try:
                raw = await document(address, seconds)
                return keys_of(raw, self.auth.issuer, self.auth.allow_insecure_jwks_uri)
            except (NoDocument, NotUsable) as error:
                problem = problem or error
        raise NoDocument(f"{self.auth.issuer} does not say where its keys are: {problem}")
