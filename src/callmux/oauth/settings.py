"""What the configuration says of a sign-in, its secrets looked up.

Made and read all over `callmux.oauth`; `account_of` and `looked_up` are called by commands that sign in and
out, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from callmux.aside import aside
from callmux.config.oauth import OAuth
from callmux.config.references import SCHEMES
from callmux.config.servers import HttpServer
from callmux.config.veil import EVERYWHERE, Veil
from callmux.errors import SecretError
from callmux.oauth.failure import SignInFailed, Why
from callmux.secrets import lookup
from callmux.secrets.resolving import resolve
from callmux.stores.sign_ins import Account

ASSERTION_SECONDS = 120
_REFERENCES = tuple(f"{scheme}:" for scheme in SCHEMES)


class SignInSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to sign in to one server.

    Attributes:
        name: The server's key.
        url: Its endpoint.
        oauth: Its `oauth` object.
        headers: What else it gets with every request.
        env: Where `env:NAME` leads.
        base_dir: What relative paths start from.
    """

    name: str
    url: str
    oauth: OAuth
    headers: Mapping[str, str]
    env: Mapping[str, str]
    base_dir: Path

    def __repr__(self) -> str:
        return f"SignInSettings({self.name!r})"

    async def secret(self) -> str:
        """The client secret; empty where there is none.

        Raises:
            SignInFailed: Its reference leads to nothing.
        """
        written = self.oauth.client_secret or ""
        if not written.startswith(_REFERENCES):
            return written
        return await self._look_up(written, "clientSecret")

    async def assertion(self, client_id: str, audience: str, now: float) -> str:
        """What shows by the client's signature who it is (RFC 7523, private_key_jwt).

        Args:
            audience: The authorization server.
            now: Seconds since 1970.

        Raises:
            SignInFailed: There is no key, or it cannot sign.
        """
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey, RSAKey

        if self.oauth.private_key is None:
            raise SignInFailed('"oauth" names no privateKey', Why.SETTINGS)
        written, algorithm = await self._look_up(self.oauth.private_key, "privateKey"), self.oauth.algorithm
        try:
            kind = ECKey if algorithm.startswith("ES") else RSAKey
            key = kind.import_key(_jwk(written) or written)
            claims = {
                "iss": client_id,
                "sub": client_id,
                "aud": audience,
                "iat": int(now),
                "exp": int(now) + ASSERTION_SECONDS,
                "jti": secrets.token_urlsafe(16),
            }
            header = {"alg": algorithm} | ({"kid": key.kid} if key.kid else {})
            return jwt.encode(header, claims, key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError) as error:
            reason = f"oauth.privateKey is no key that signs with {algorithm} ({type(error).__name__})"
            raise SignInFailed(reason, Why.SETTINGS) from None

    async def _look_up(self, reference: str, key: str) -> str:
        try:
            value = await aside(lambda: resolve(reference, self.base_dir, self.env), lookup.SECONDS)
        except SecretError as error:
            raise SignInFailed(f"oauth.{key}: {error.message}", Why.SETTINGS) from None
        except TimeoutError:
            raise SignInFailed(f"oauth.{key} took too long to look up", Why.SETTINGS) from None
        EVERYWHERE.learn(Veil([value]))
        return value


def account_of(name: str, config: HttpServer, owner: str = "") -> Account:
    """Whose tokens those of a server's entry are. Its URL counts as it is written, so that nothing need be
    looked up.

    Args:
        name: The server's key.
        config: Its entry, whether its references have been looked up or not.
        owner: The principal; empty where there is one user, or all share the sign-in.
    """
    template = config.templates.get("url")
    return Account(name, config.url if template is None else "".join(map(str, template)), owner)


async def looked_up(config: HttpServer, base_dir: Path, env: Mapping[str, str]) -> HttpServer:
    """The entry with its references looked up.

    Raises:
        SignInFailed: One leads to nothing.
    """
    try:
        return await lookup.looked_up(config, base_dir, env)
    except SecretError as error:
        raise SignInFailed(error.message, Why.SETTINGS) from None


def settings_of(name: str, config: HttpServer, env: Mapping[str, str], base_dir: Path) -> SignInSettings:
    """The settings of a server's entry."""
    return SignInSettings(
        name=name,
        url=config.url,
        oauth=config.oauth or OAuth(),
        headers=config.headers,
        env=env,
        base_dir=base_dir,
    )


def _jwk(text: str) -> dict[str, str | list[str]] | None:
    if not text.lstrip().startswith("{"):
        return None
    return msgspec.json.decode(text, type=dict[str, str | list[str]])
