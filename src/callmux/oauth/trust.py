"""Which addresses may be used for a sign-in: https, or this machine. Pure.

Called by `callmux.oauth.metadata` for what others name, and by `callmux.oauth.web` before each request, where
it also knows what a host name leads to.
"""

from __future__ import annotations

import ipaddress
from unicodedata import normalize
from urllib.parse import urlsplit

from callmux.loopback import is_loopback
from callmux.oauth.failure import SignInFailed, Why

_HOLDING_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""Where an IPv4 address stands in an IPv6 address: translation (RFC 6052), and the form of old."""


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
    if _is_odd_number(host):
        raise SignInFailed(f"{what} has a number for a host that is no plain IP address ({host})", Why.UNSAFE)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise SignInFailed(f"{what} does not begin with https:// (host {host})", Why.UNSAFE)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise SignInFailed(f"{what} holds a user or a fragment (host {host})", Why.UNSAFE)


def _is_odd_number(host: str) -> bool:
    """Whether a host is an IPv4 address in a spelling that only some programs take for one, such as `127.1`:
    nobody who looks names up would be asked what it leads to."""
    if ":" in host:
        return False
    # Other digits and dots become the usual ones on the way to the connection.
    plain = normalize("NFKC", host).replace("\u3002", ".")
    last = plain.rstrip(".").rpartition(".")[2].lower()
    if not last.isdigit() and not (last.startswith("0x") and set(last[2:]) <= set("0123456789abcdef")):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def is_private(address: str) -> bool:
    """Whether an IP address is of this machine or of a network that only those within can reach. Names are
    not looked up: for them it is False."""
    try:
        found = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return is_loopback(address)
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour
        if within is None and any(found in network for network in _HOLDING_IPV4):
            within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = within or found
    return not found.is_global or found.is_multicast
