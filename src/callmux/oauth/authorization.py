"""The request that a person takes to an authorization server, and what comes back. Pure.

Made and read by `callmux.oauth.sign_in`. PKCE with S256 and `state` are always there; the answer is believed
only from the issuer that it was asked of (RFC 9207).
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import ServerMetadata

LONGEST = 65_536
"""Characters of an answer that are read."""


class AuthorizationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one person.

    Attributes:
        issuer: Of whom it is asked.
        names_issuer: Whether its answer must say so.
        redirect_uri: Where the answer goes.
        state: What the answer must repeat.
        verifier: What proves that the code was asked for by us.
        url: Where the person goes.
    """

    issuer: str
    names_issuer: bool
    redirect_uri: str
    state: str
    verifier: str
    url: str

    def __repr__(self) -> str:
        return f"AuthorizationRequest({self.issuer!r})"


def request_of(
    server: ServerMetadata, client_id: str, redirect_uri: str, resource: str, scopes: Iterable[str]
) -> AuthorizationRequest:
    """A new attempt."""
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "resource": resource,
    }
    if scope := " ".join(scopes):
        query["scope"] = scope
        if "offline_access" in scope.split():
            # OpenID Connect Core, section 11: without it, no refresh token need be given.
            query["prompt"] = "consent"
    joint = "&" if urlsplit(server.authorization_endpoint).query else "?"
    return AuthorizationRequest(
        issuer=server.issuer,
        names_issuer=server.names_issuer,
        redirect_uri=redirect_uri,
        state=state,
        verifier=verifier,
        url=f"{server.authorization_endpoint}{joint}{urlencode(query)}",
    )


def code_of(answer: str, request: AuthorizationRequest) -> str:
    """The code in an answer.

    Args:
        answer: The address that the browser was sent to, or its query alone.

    Raises:
        SignInFailed: It is none, is not an answer to this request, or says no.
    """
    fields = _fields(answer)
    if any(len(values) > 1 for values in fields.values()):
        raise SignInFailed("the answer of the authorization server says things twice", Why.UNSAFE)
    said = {name: values[0] for name, values in fields.items()}
    if not holds_state(answer, request.state):
        raise SignInFailed(
            "the answer does not belong to this sign-in (another state): begin again, with the newest link",
            Why.UNSAFE,
        )
    issuer = said.get("iss")
    if (issuer is None and request.names_issuer) or issuer not in (None, request.issuer):
        # Nothing of such an answer is shown: it may be of anybody.
        raise SignInFailed(
            f'the answer is not from the authorization server that was asked, "{request.issuer}"', Why.UNSAFE
        )
    if "error" in said:
        raise SignInFailed(f"the authorization server says no: {words(said)}", Why.REFUSED, said["error"])
    if not said.get("code"):
        raise SignInFailed("the answer of the authorization server holds no code", Why.UNSAFE)
    return said["code"]


def holds_state(answer: str, state: str) -> bool:
    """Whether an answer, an address or its query alone, belongs to the sign-in with this state."""
    found = _fields(answer).get("state", [])
    return len(found) == 1 and secrets.compare_digest(found[0].encode(), state.encode())


def _fields(answer: str) -> dict[str, list[str]]:
    # What a terminal reads may hold bytes that are no text.
    text = answer.strip()[:LONGEST].encode(errors="replace").decode()
    before, mark, query = text.partition("?")
    # A query may hold "?" itself; before the one that begins it, nothing is set equal to anything.
    if mark and "=" not in before:
        text = query
    return parse_qs(text.partition("#")[0], keep_blank_values=True)


def words(said: dict[str, str]) -> str:
    """An error of an authorization server for people: its code, and what it says of it."""
    code, more = (
        "".join(c for c in said.get(key, "") if c.isprintable())[:300]
        for key in ("error", "error_description")
    )
    return f"{code} ({more})" if more else code
