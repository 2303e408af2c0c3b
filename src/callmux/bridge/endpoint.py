"""The URL of a listener, taken apart. Pure.

Called by `callmux.cli.bridge` and `callmux.cli.destination`; read by the client, the
credentials and the autostart.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from callmux.errors import UsageError
from callmux.loopback import is_loopback

_PORTS = {"http": 80, "https": 443}


class Endpoint(NamedTuple):
    """Where a listener is.

    Attributes:
        url: As it was given.
        tls: Whether it is `https`.
        host: For connecting: without brackets.
        port: The port.
        path: Path and query, as the request line has them.
        authority: Host and port, as the `Host` header has them.
        is_loopback: Whether it is this machine.
    """

    url: str
    tls: bool
    host: str
    port: int
    path: str
    authority: str
    is_loopback: bool

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a kept token belongs to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def advice(self, *, may_start: bool) -> str:
        """What to do where nobody answers.

        Args:
            may_start: Whether the listener is started where it does not run.
        """
        if may_start or not self.is_loopback or self.tls:
            return f"{self.url}: does a listener run there?"
        own = f"start it with callmux --listen {self.port}, or let the bridge do so with --autostart"
        return f"{self.url}: {own}"


def read_endpoint(url: str) -> Endpoint:
    """Takes a URL apart; it is used as it is, `/mcp` included.

    Raises:
        UsageError: It is no URL of a listener.
    """
    example = "for example http://127.0.0.1:4860/mcp"
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"--url must be a plain URL, {example}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--url {url} is not a URL ({error}), {example}") from None
    if parts.scheme not in _PORTS or not host:
        raise UsageError(f'--url must begin with http:// or https:// and name a host, not "{url}", {example}')
    if parts.username is not None or parts.password is not None:
        raise UsageError('--url must not contain a password: give it as --header "Authorization: ..."')
    if port == 0:
        raise UsageError(f"--url {url} has no valid port")
    return Endpoint(
        url=url,
        tls=parts.scheme == "https",
        host=host,
        port=port or _PORTS[parts.scheme],
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        authority=parts.netloc,
        is_loopback=is_loopback(host),
    )
