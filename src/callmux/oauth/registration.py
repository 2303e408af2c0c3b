"""As whom callmux signs in: a client registered beforehand, a metadata document, or one registered now.

Called by `callmux.oauth.sign_in`. The order is that of MCP 2025-11-25 ("Client Registration Approaches"). A
registration belongs to the authorization server that gave it and goes to no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from callmux import __version__
from callmux.config.oauth import OAuth
from callmux.oauth.authorization import words
from callmux.oauth.challenge import scopes_of
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import ServerMetadata
from callmux.oauth.token_requests import DEVICE_GRANT, number_of
from callmux.oauth.web import Web
from callmux.stores.sign_ins import OAuthClient

DOCUMENT_METHOD = "none"
_WITH_SECRET = ("client_secret_basic", "client_secret_post")
_BY_HAND = (
    "register callmux there by hand and put what you get into the server's entry: "
    '"oauth": {"clientId": "...", "clientSecret": "env:NAME"}'
)


def configured_client(settings: OAuth, secret: str, server: ServerMetadata) -> OAuthClient | None:
    """The client that the configuration names, or None.

    Args:
        secret: Its secret, looked up.
    """
    if settings.client_id is None:
        return None
    method = settings.token_endpoint_auth_method
    if method is None and settings.private_key is not None:
        method = "private_key_jwt"
    if method is None:
        method = _method_with_secret(server.methods) if secret else "none"
    return OAuthClient(id=settings.client_id, secret=secret, method=method, source="configured")


def document_client(settings: OAuth, server: ServerMetadata) -> OAuthClient | None:
    """The client whose id is the URL of its metadata document, where there is one and it is taken."""
    if settings.client_metadata_url is None or not server.documents:
        return None
    return OAuthClient(id=settings.client_metadata_url, method=DOCUMENT_METHOD, source="document")


def is_usable(client: OAuthClient, redirect_uri: str, scopes: Sequence[str], now: float) -> bool:
    """Whether a registration that is kept can be used once more."""
    fits = not redirect_uri or client.redirect_uri == redirect_uri
    fits = fits and (not client.scopes or set(scopes) <= set(client.scopes))
    return fits and (client.expires_at is None or client.expires_at > now)


async def register(
    web: Web, server: ServerMetadata, redirect_uri: str, scopes: Sequence[str], grant: str
) -> OAuthClient:
    """Registers callmux (RFC 7591).

    Args:
        redirect_uri: Where answers go; empty for a device.

    Raises:
        SignInFailed: The authorization server registers nobody, or not callmux.
    """
    if not server.registration_endpoint:
        reason = f"the authorization server {server.issuer} lets no client register itself: {_BY_HAND}"
        raise SignInFailed(reason, Why.SETTINGS)
    asked: dict[str, Any] = {
        "client_name": "callmux",
        "software_id": "callmux",
        "software_version": __version__,
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": _method_to_ask_for(server.methods),
    }
    if grant == "device_code":
        asked |= {"grant_types": [DEVICE_GRANT, "refresh_token"], "response_types": []}
    if redirect_uri:
        asked["redirect_uris"] = [redirect_uri]
    if scopes:
        asked["scope"] = " ".join(scopes)
    body, what = msgspec.json.encode(asked), "the registration endpoint"
    reply = await web.post(server.registration_endpoint, what, body, {"Content-Type": "application/json"})
    if reply.status >= 500 or reply.status == 429:
        raise SignInFailed(f"{what} is busy or failing (HTTP {reply.status}): try again later", Why.NETWORK)
    if not 200 <= reply.status < 300:
        raise SignInFailed(
            f"the authorization server {server.issuer} does not register callmux (HTTP {reply.status}"
            f"{_said(reply.body)}): {_BY_HAND}",
            Why.SETTINGS,
        )
    return _client_of(reply.body, server, asked)


def _client_of(body: bytes, server: ServerMetadata, registered: dict[str, Any]) -> OAuthClient:
    facts, asked = _object(body), str(registered["token_endpoint_auth_method"])
    id, secret = facts.get("client_id"), facts.get("client_secret")
    if not isinstance(id, str) or not id:
        raise SignInFailed("the registration holds no client_id", Why.UNSAFE)
    method = facts.get("token_endpoint_auth_method")
    has_secret = isinstance(secret, str) and secret != ""
    if not isinstance(method, str):
        method = asked if (asked in _WITH_SECRET) == has_secret else "none"
        if has_secret and method == "none":
            method = _method_with_secret(server.methods)
    if method not in ("none", *_WITH_SECRET) or (method in _WITH_SECRET and not has_secret):
        raise SignInFailed(
            "the registration demands a way to show who callmux is that it has not got", Why.UNSAFE
        )
    expires = number_of(facts.get("client_secret_expires_at")) if has_secret else None
    scope = facts.get("scope", registered.get("scope"))
    return OAuthClient(
        id=id,
        secret=str(secret) if has_secret else "",
        method=method,
        redirect_uri="".join(registered.get("redirect_uris", ())),
        scopes=scopes_of(scope) if isinstance(scope, str) else (),
        expires_at=expires if expires is not None and expires > 0 else None,
    )


def _method_to_ask_for(methods: Sequence[str] | None) -> str:
    """A program on a user's machine keeps no secret from him, so it asks for none where it need not."""
    if methods is None or "none" in methods:
        return "none"
    return _method_with_secret(methods)


def _method_with_secret(methods: Sequence[str] | None) -> str:
    # Where nothing is said, it is Basic (RFC 8414, section 2).
    return next((method for method in _WITH_SECRET if method in (methods or ())), "client_secret_basic")


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise SignInFailed("the registration is no JSON object", Why.UNSAFE) from None


def _said(body: bytes) -> str:
    try:
        said = {k: v for k, v in _object(body).items() if isinstance(v, str)}
    except SignInFailed:
        return ""
    return f", {words(said)}" if words(said) else ""
