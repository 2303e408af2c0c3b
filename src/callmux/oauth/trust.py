"""Which addresses may be used for a sign-in: https, or this machine. Pure.

Called by `callmux.oauth.metadata` for what others name, and by `callmux.oauth.web` before each request, where
it also knows what a host name leads to.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from callmux.loopback import is_loopback
from callmux.oauth.failure import SignInFailed, Why


def may_be_used(url: str, what: str) -> None:
    """Takes an address that another one named.

    Args:
        what: What it is, for people.

    Raises:
        SignInFailed: It must not be used.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or not url.isprintable() or " " in url or "\\" in url:
        raise SignInFailed(f"{what} cannot be read", Why.UNSAFE)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise SignInFailed(f"{what} does not begin with https:// (host {host})", Why.UNSAFE)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise SignInFailed(f"{what} holds a user or a fragment (host {host})", Why.UNSAFE)


def is_private(address: str) -> bool:
    """Whether an IP address is of this machine or of a network that only those within can reach. Names are
    not looked up: for them it is False."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return is_loopback(address)
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if mapped is not None:
        found = mapped
    return not found.is_global or found.is_multicast
