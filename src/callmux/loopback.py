"""Whether a host is this machine. Pure.

Called by `callmux.proxies`, `callmux.bridge.endpoint`, `callmux.cli.listen` and
`callmux.transport.http.intake`.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether a host name or an address means this machine; an IPv6 address may stand in brackets."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
