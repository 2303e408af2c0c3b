"""What a server says of the credentials it wants: the `WWW-Authenticate` header (RFC 9110, 11.6.1). Pure.

Called by `callmux.oauth.discovery` and `callmux.oauth.credentials`; scopes are read here for all of
`callmux.oauth`.
"""

from __future__ import annotations

import re

import msgspec

LONGEST = 16_384
"""Characters of a header that are read."""
_NO_TEXT = re.compile("[\ud800-\udfff]")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_BETWEEN = re.compile(r"[\s,]*")
_PARAMETER = re.compile(rf'({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$)))?")


class BearerChallenge(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        resource_metadata: Where the server describes itself (RFC 9728), or empty.
        scopes: What it wants, in its order.
        error: Such as `invalid_token` or `insufficient_scope`; empty where no token was sent.
    """

    resource_metadata: str = ""
    scopes: tuple[str, ...] = ()
    error: str = ""


def bearer_challenge(header: str) -> BearerChallenge | None:
    """The challenge for a bearer token among those of a header; None where there is none. Of what cannot be
    read, the part before it counts."""
    found: dict[str, str] | None = None
    # Bytes that are no text come as lone surrogates, which can neither be kept nor shown.
    text, at = _NO_TEXT.sub("\ufffd", header[:LONGEST]), 0
    while (at := _end(_BETWEEN.match(text, at))) < len(text):
        if (parameter := _PARAMETER.match(text, at)) is not None:
            at = parameter.end()
            name, quoted, plain = parameter.groups()
            if found is not None:
                value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                found.setdefault(name.lower(), value)
        elif (scheme := _SCHEME.match(text, at)) is not None and found is None:
            at = scheme.end()
            found = {} if scheme[1].lower() == "bearer" else None
        else:
            break
    if found is None:
        return None
    scopes = scopes_of(found.get("scope", ""))
    return BearerChallenge(found.get("resource_metadata", ""), scopes, found.get("error", ""))


def scopes_of(text: str) -> tuple[str, ...]:
    """The scopes in a text, each once. What no scope can be (RFC 6749, 3.3) is left out: scopes are kept,
    sent on and shown."""
    return tuple(s for s in dict.fromkeys(text.split()) if s.isascii() and s.isprintable())


def _end(match: re.Match[str] | None) -> int:
    return 0 if match is None else match.end()
