"""What is sent to a token endpoint, and what its answers mean (RFC 6749, 6750, 8628, 8707). Pure.

Called by `callmux.oauth.token_endpoint`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec

from callmux.oauth.authorization import words
from callmux.oauth.challenge import scopes_of
from callmux.oauth.failure import SignInFailed, Why
from callmux.stores.sign_ins import OAuthClient, Tokens

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"
LONGEST_LIFE = 10 * 365 * 86_400.0
"""Seconds; what an answer says beyond that is a mistake."""

_BEYOND = 10**15
_CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client"})
_WAITING = frozenset({"authorization_pending", "slow_down"})


class Form(msgspec.Struct, frozen=True):
    """A request: its body and headers."""

    body: bytes
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Form({sorted(self.headers)})"


def by_code(code: str, verifier: str, redirect_uri: str, resource: str) -> dict[str, str]:
    """The fields that turn a code into tokens."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "resource": resource,
    }


def by_refresh(refresh: str, resource: str) -> dict[str, str]:
    """The fields that renew tokens. Scopes are left out: those that were granted stay."""
    return {
        "grant_type": "refresh_token",
        "refresh_token": refresh,
        **({"resource": resource} if resource else {}),
    }


def by_client(scopes: Iterable[str], resource: str) -> dict[str, str]:
    """The fields of a client that asks for itself."""
    fields = {"grant_type": "client_credentials", "resource": resource}
    return fields | ({"scope": scope} if (scope := " ".join(scopes)) else {})


def by_device(device_code: str, resource: str) -> dict[str, str]:
    """The fields that ask whether somebody has entered the code of a device."""
    return {"grant_type": DEVICE_GRANT, "device_code": device_code, "resource": resource}


def form_of(fields: Mapping[str, str], client: OAuthClient, assertion: str = "") -> Form:
    """A request of a client, which shows who it is in its own way.

    Args:
        assertion: The signed assertion, where its way is `private_key_jwt`.
    """
    # Many servers, those of the official SDK too, look for the id in the body whatever the header says.
    headers, sent = {"Content-Type": FORM}, {**fields, "client_id": client.id}
    if client.method == "client_secret_basic":
        # RFC 6749, 2.3.1: both are form-encoded first.
        pair = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    elif client.method == "client_secret_post":
        sent["client_secret"] = client.secret
    elif client.method == "private_key_jwt":
        sent |= {"client_assertion_type": ASSERTION, "client_assertion": assertion}
    return Form(urlencode(sent).encode(), headers)


def tokens_of(body: bytes, now: float, before: Tokens | None = None, asked: Iterable[str] = ()) -> Tokens:
    """The tokens in an answer.

    Args:
        now: Seconds since 1970.
        before: The tokens that are renewed: a refresh token that is not replaced stays.
        asked: The scopes that were asked for: they were granted where the answer does not say.

    Raises:
        SignInFailed: They cannot be used.
    """
    facts = _object(body)
    access, kind = facts.get("access_token"), facts.get("token_type", "Bearer")
    if not isinstance(access, str) or not access or not access.isascii() or not access.isprintable():
        raise SignInFailed("the authorization server's answer holds no access token", Why.NETWORK)
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise SignInFailed("the authorization server gives another kind of token than Bearer", Why.UNSAFE)
    seconds = number_of(facts.get("expires_in"))
    refresh = facts.get("refresh_token")
    scope = facts.get("scope")
    granted = scopes_of(scope) if isinstance(scope, str) else tuple(before.scopes if before else asked)
    return Tokens(
        access=access,
        refresh=refresh if isinstance(refresh, str) and refresh else before.refresh if before else "",
        obtained_at=now,
        # No life at all is how some say that it has no end: the server's refusal tells.
        expires_at=None if seconds is None or seconds <= 0 else now + min(seconds, LONGEST_LIFE),
        scopes=granted,
    )


def refusal_of(status: int, body: bytes) -> SignInFailed:
    """What an answer that is no success means."""
    try:
        facts = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        facts = {}
    said = {key: value for key, value in facts.items() if isinstance(value, str)}
    code = said.get("error", "")
    if status >= 500 or status == 429 or not code or code in ("temporarily_unavailable", "server_error"):
        # Without an error of OAuth it may be anybody's answer, such as that of a proxy on the way.
        return SignInFailed(f"the authorization server is busy or failing (HTTP {status})", Why.NETWORK, code)
    reason = f"the authorization server says no: {words(said)}"
    if code in _CLIENT_ERRORS:
        return SignInFailed(reason, Why.CLIENT, code)
    return SignInFailed(reason, Why.REVOKED if code == "invalid_grant" else Why.REFUSED, code)


def is_waiting(failure: SignInFailed) -> bool:
    """Whether nobody has entered the code of a device yet."""
    return failure.code in _WAITING


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise SignInFailed("the authorization server's answer is no JSON object", Why.NETWORK) from None


def number_of(value: object) -> float | None:
    """A number of an answer, which may be written as a text; None where there is none. Whole numbers of JSON
    have no largest one, so what is beyond all sense is cut."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(max(-_BEYOND, min(value, _BEYOND)))
