"""What a token says, and what of it counts. Pure.

Called by `callmux.guard.oidc`: before the signature is checked, to do no work for what cannot be good, and
once more for the principal. Names of claims are those of callmux (npm).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Container, Sequence
from typing import Any

import msgspec

from callmux.depth import is_deeper

_PART = re.compile(rb"[A-Za-z0-9_-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TYPES = {"jwt", "at+jwt", "application/jwt", "application/at+jwt"}
"""What a token may say it is (RFC 9068, section 2.1). One for another purpose, such as the note of a log-out,
has a subject and an audience, too."""
LATEST = 2.0**53


class Bad(Exception):
    """The token is not good, and never will be."""


class NotNow(Exception):
    """The token is not good now; it was, or will be, where the clocks are right."""


class Head(msgspec.Struct, frozen=True):
    """The header of a token: only this counts. Keys, and addresses of keys, are those of whoever wrote it.

    Attributes:
        alg: How it is signed.
        kid: The id of the key.
        typ: What it is.
    """

    alg: str
    kid: str
    typ: str | None = None


class Shown(msgspec.Struct, frozen=True):
    """A token in its parts; nothing of it is known to be true.

    Attributes:
        head: Its header.
        claims: What it says.
    """

    head: Head
    claims: dict[str, Any]


def parsed(raw: bytes, algorithms: Container[str]) -> Shown:
    """The parts of a token.

    Raises:
        Bad: It is none, or of another kind, or signed in a way that is not taken.
    """
    parts = raw.split(b".")
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        raise Bad
    header, claims = _object(parts[0]), _object(parts[1])
    try:
        head = msgspec.convert(header, Head)
    except msgspec.ValidationError:
        raise Bad from None
    if head.alg not in algorithms or not head.kid or "crit" in header or "b64" in header:
        raise Bad
    if head.typ is not None and head.typ.lower() not in _TYPES:
        raise Bad
    return Shown(head, claims)


def _object(part: bytes) -> dict[str, Any]:
    try:
        raw = urlsafe_b64decode(part + b"=" * (-len(part) % 4))
        if is_deeper(raw):
            raise Bad
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise Bad from None


def check(claims: dict[str, Any], issuer: str, audience: Sequence[str], now: float, skew: float) -> None:
    """Whether a token is of this issuer, for us, and for now.

    Raises:
        Bad: It is not, or says who it is for in no usable way.
        NotNow: It has expired, or does not count yet.
    """
    subject = claims.get("sub")
    if claims.get("iss") != issuer or not set(audiences(claims)) & set(audience):
        raise Bad
    if not isinstance(subject, str) or not subject.strip() or _CONTROL.search(subject):
        raise Bad
    expires, begins = moment(claims, "exp"), moment(claims, "nbf")
    if expires is None:
        raise Bad
    if now >= expires + skew or (begins is not None and now < begins - skew):
        raise NotNow


def moment(claims: dict[str, Any], name: str) -> float | None:
    """A time in the claims; None where it says none.

    Raises:
        Bad: It is no time.
    """
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Bad
    return float(max(-LATEST, min(value, LATEST)))


def audiences(claims: dict[str, Any]) -> tuple[str, ...]:
    """Whom a token is for."""
    value = claims.get("aud")
    return _texts([value] if isinstance(value, str) else value)


def scopes(claims: dict[str, Any]) -> tuple[str, ...]:
    """What a token was issued for: `scope`, else `scopes`."""
    scope = claims.get("scope")
    return _texts(scope.split(" ") if isinstance(scope, str) else claims.get("scopes"))


def groups(claims: dict[str, Any]) -> tuple[str, ...]:
    """What its subject belongs to."""
    value = claims.get("groups")
    return _texts([value] if isinstance(value, str) else value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(one for one in value if isinstance(one, str) and one and not _CONTROL.search(one))
