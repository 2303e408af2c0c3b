"""What a server says of the credentials it wants: the `WWW-Authenticate` header (RFC 9110, 11.6.1). Pure.

Called by `callmux.oauth.discovery` and `callmux.oauth.credentials`.
"""

from __future__ import annotations

import re

import msgspec

LONGEST = 16_384
"""Characters of a header that are read."""
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
    text, at = header[:LONGEST], 0
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
    scopes = tuple(dict.fromkeys(found.get("scope", "").split()))
    return BearerChallenge(found.get("resource_metadata", ""), scopes, found.get("error", ""))


def _end(match: re.Match[str] | None) -> int:
    return 0 if match is None else match.end()
