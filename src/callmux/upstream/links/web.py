"""What both HTTP links share: the client, the proxy, and what a status or an exception means.

Called by `callmux.upstream.links.http` and `.sse`. Imports aiohttp, so it is imported when the first remote
server is configured and not before.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from callmux import __version__
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Failure
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category

CONNECT_SECONDS = 30.0


class Refused(Exception):
    """A status that is no success.

    Args:
        status: The HTTP status.
        body: The beginning of the body.
        challenge: The `WWW-Authenticate` header, or empty.
    """

    def __init__(self, status: int, body: bytes, challenge: str) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.challenge = challenge


def open_client() -> aiohttp.ClientSession:
    """A client without limits of its own: a slow answer is bounded by its call, and by nothing else."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        headers={"User-Agent": f"callmux/{__version__}"},
        read_bufsize=2**20,
        auto_decompress=True,
    )


def proxy_for(url: str) -> str | None:
    """The proxy of the environment (`HTTPS_PROXY`, `NO_PROXY` ...) for this URL; never one for loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def failure_of(error: Exception) -> CallFailure:
    """What an exception of the client means: only a connection that never came about has sent nothing."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        return failures.lost(f"the server cannot be reached: {_unreachable(error)}", started=False)
    if isinstance(error, aiohttp.InvalidURL):
        return CallFailure(Category.TRANSPORT, f"the URL cannot be used: {error}", started=False)
    if isinstance(error, ValueError):
        return CallFailure(Category.PROTOCOL, str(error))
    return failures.lost(f"the connection broke: {error or type(error).__name__}", started=True)


def _unreachable(error: aiohttp.ClientConnectorError) -> str:
    """Where nobody answers and why, in words for people: `127.0.0.1:9: connection refused`."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {error.host}:{error.port} is not trusted: {error.certificate_error}"
    reason = error.os_error
    if isinstance(reason, ConnectionRefusedError):
        return f"{error.host}:{error.port}: connection refused; does it run?"
    if isinstance(reason, socket.gaierror):
        return f'there is no host "{error.host}" ({reason.strerror}); is the URL right?'
    return f"{error.host}:{error.port}: {reason.strerror or reason}"


def refusal(refused: Refused) -> CallFailure:
    """What an HTTP status means for a call."""
    status = refused.status
    if status in (401, 403):
        what = "asks for credentials" if status == 401 else "does not allow this with the credentials given"
        challenge = f" It says: {refused.challenge[:200]}." if refused.challenge else ""
        cause = (
            f"the server {what} (HTTP {status}).{challenge} Set an Authorization header under the server's "
            '"headers" in the configuration, for example "Authorization": "Bearer ${TOKEN}"'
        )
        return CallFailure(Category.AUTHORIZATION, cause, started=False)
    message = jsonrpc.parse(refused.body) if refused.body.strip().startswith(b"{") else None
    if isinstance(message, Failure):
        return failures.refused(message.error)
    if status in (429, 503):
        return CallFailure(Category.UNKNOWN, f"the server is busy (HTTP {status})", started=False)
    if 300 <= status < 400:
        cause = f"the server redirects (HTTP {status}): put the new address into the configuration"
        return CallFailure(Category.PROTOCOL, cause, started=False)
    if status < 500:
        cause = f"the server refuses the request (HTTP {status})"
        return CallFailure(Category.PROTOCOL, cause, started=False)
    return CallFailure(Category.UNKNOWN, f"the server failed (HTTP {status})")
