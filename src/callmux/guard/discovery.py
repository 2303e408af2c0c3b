"""Where an issuer says that its keys are (OpenID Connect Discovery 1.0, RFC 8414). Pure.

Called by `callmux.guard.oidc` where the configuration names no `jwksUri`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from callmux.config.security import LOOPBACK
from callmux.guard.key_set import NotUsable

OPENID, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


def addresses(issuer: str) -> list[str]:
    """Where the metadata of an issuer may be, in the order in which they are tried."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return list(dict.fromkeys([f"{base}{path}{OPENID}", f"{base}{OAUTH}{path}", f"{base}{OPENID}{path}"]))


def keys_of(raw: bytes, issuer: str, insecure: bool) -> str:
    """The address of the keys.

    Args:
        raw: The metadata.
        issuer: Whose it must be.
        insecure: Whether plain http is taken from any host.

    Raises:
        NotUsable: It is not that of this issuer, or names no usable address.
    """
    try:
        facts = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise NotUsable("its metadata is no JSON object") from None
    if facts.get("issuer") != issuer:
        raise NotUsable("its metadata is of another issuer")
    address = facts.get("jwks_uri")
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        host = parts.hostname
    except ValueError:
        host = None
    plain = parts.scheme == "http" and (insecure or host in (*LOOPBACK, "::1")) if host else False
    if not isinstance(address, str) or not host or not (parts.scheme == "https" or plain):
        raise NotUsable("its metadata names no jwks_uri of https")
    return address
