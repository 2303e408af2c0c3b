"""How callmux signs in to a server at a URL: its `oauth` object. Pure.

Read through `callmux.config.servers`; used by `callmux.oauth`. Most servers need none of it: a sign-in finds
what it needs by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from callmux.config import kinds
from callmux.config.section import Items, Problem, Section


class OAuth(Section, frozen=True, kw_only=True):
    """How callmux signs in to a server.

    Attributes:
        grant: `authorization_code` for a person in a browser, `device_code` for a person at another device,
            `client_credentials` for callmux itself.
        client_id: The id of a client that was registered beforehand; callmux registers itself where absent.
        client_secret: Its secret: `env:NAME`, `file:PATH`, `keyring:NAME`, `cmd:COMMAND`, or the secret
            itself.
        token_endpoint_auth_method: How it shows who it is; by what the authorization server says where
            absent.
        private_key: Where its private key is, a PEM or a JWK: a reference as that of a secret.
        algorithm: How that key signs.
        client_metadata_url: The https URL of a client metadata document, which stands for a client id where
            the authorization server takes one.
        scopes: What is asked for; what the server says it needs where absent.
        callback_port: The port of this machine on which `callmux login` waits for the browser.
        issuer: The only authorization server that a sign-in may use.
    """

    grant: kinds.OAuthGrant = "authorization_code"
    client_id: kinds.NonBlank | None = None
    client_secret: kinds.NonBlank | None = None
    token_endpoint_auth_method: kinds.ClientAuthMethod | None = None
    private_key: kinds.SecretReference | None = None
    algorithm: kinds.Algorithm = "ES256"
    client_metadata_url: kinds.Url | None = None
    scopes: Annotated[tuple[kinds.NonBlank, ...], Items(unique=True)] = ()
    callback_port: kinds.Port | None = None
    issuer: kinds.Url | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        for key in ("clientSecret", "privateKey"):
            if key in raw and "clientId" not in raw:
                yield key, 'needs "clientId" beside it'
        if "clientSecret" in raw and "privateKey" in raw:
            yield "privateKey", 'cannot stand beside "clientSecret": a client shows who it is in one way'
        if raw.get("grant") == "client_credentials" and not ({"clientSecret", "privateKey"} & raw.keys()):
            yield "grant", 'client_credentials needs "clientId" and "clientSecret" or "privateKey"'
        if raw.get("tokenEndpointAuthMethod") == "private_key_jwt" and "privateKey" not in raw:
            yield "tokenEndpointAuthMethod", 'private_key_jwt needs "privateKey"'
