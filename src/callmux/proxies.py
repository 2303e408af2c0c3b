"""The HTTP proxy of the environment (`HTTPS_PROXY`, `NO_PROXY` ...), for requests that callmux makes itself.

Called by `callmux.upstream.links.web` and `callmux.guard.documents`.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from callmux.loopback import is_loopback


def proxy_for(url: str) -> str | None:
    """The proxy for this URL; never one for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
