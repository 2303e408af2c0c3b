"""The requests of a sign-in: small answers, soon, and only from where the server may send us.

Made by `callmux.oauth.sign_in` and `callmux.oauth.renewal`. Imports aiohttp, so it is imported when a sign-in
or a renewal begins and not before. A server that others can reach may not send us to this machine or into a
private network (MCP security best practices, "Server-Side Request Forgery"): what a name leads to is looked
at where the connection is made, so that it cannot change in between. Nothing that is sent or got is logged.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from callmux import __version__
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import origin_of
from callmux.oauth.trust import is_private, may_be_used
from callmux.protocol.http_client import Redirects, tls_problem
from callmux.proxies import proxy_for

SECONDS = 20.0
"""How long one request may take, all of it."""
MOST_BYTES = 512 * 1024


class WebReply(NamedTuple):
    """An answer.

    Attributes:
        status: The HTTP status.
        body: All of it.
        challenge: The `WWW-Authenticate` header, or empty.
    """

    status: int
    body: bytes
    challenge: str


class Web:
    """Makes requests on behalf of one server.

    Args:
        near: The server's URL: where it is says where it may send us.
        seconds: How long one request may take.
    """

    def __init__(self, near: str, seconds: float = SECONDS) -> None:
        self._near = near
        self._seconds = seconds
        self._resolver = _Careful()
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Web:
        self._resolver.private = await _is_within(urlsplit(self._near).hostname or "", self._seconds)
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=self._resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": f"callmux/{__version__}"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def get(self, url: str, what: str) -> WebReply:
        """A document; redirects are followed within its host.

        Args:
            what: What it is, for people.

        Raises:
            SignInFailed: It cannot be had.
        """
        return await self._bounded("GET", url, what, {"Accept": "application/json"}, None)

    async def post(self, url: str, what: str, body: bytes, headers: Mapping[str, str]) -> WebReply:
        """The answer to a request, which goes to this address and no other.

        Raises:
            SignInFailed: There is none.
        """
        return await self._bounded("POST", url, what, {"Accept": "application/json", **headers}, body)

    async def ask_server(self, body: bytes, headers: Mapping[str, str]) -> WebReply:
        """The server's own answer to a request: its head; a body only where it refuses.

        Raises:
            SignInFailed: There is none.
        """
        return await self._bounded("POST", self._near, "the server", headers, body, own=True)

    def may_be_shown(self, url: str, what: str) -> None:
        """Takes the address of a page that a person is sent to: what holds for our own requests holds for it.

        Args:
            what: What it is, for people.

        Raises:
            SignInFailed: Nobody may be sent there.
        """
        may_be_used(url, f"the address of {what}")
        self._permit(url, None, what, own=False)

    async def _bounded(
        self,
        method: str,
        url: str,
        what: str,
        headers: Mapping[str, str],
        body: bytes | None,
        own: bool = False,
    ) -> WebReply:
        if not own:
            # First of all: what another one named may be no address.
            may_be_used(url, f"the address of {what}")
        host = urlsplit(url).netloc.rpartition("@")[2]
        try:
            async with asyncio.timeout(self._seconds):
                return await self._request(method, url, what, headers, body, own)
        except TimeoutError:
            reason = f"{what} ({host}) does not answer within {self._seconds:g} s"
            raise SignInFailed(reason, Why.NETWORK) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = Why.UNREACHED if isinstance(error, aiohttp.ClientConnectorError) else Why.NETWORK
            raise SignInFailed(f"{what} ({host}) cannot be reached: {_reason(error)}", why) from None

    async def _request(
        self, method: str, url: str, what: str, headers: Mapping[str, str], body: bytes | None, own: bool
    ) -> WebReply:
        assert self._client is not None, "used outside of its block"
        way = Redirects(url)
        while True:
            proxy = proxy_for(way.url)
            self._permit(way.url, proxy, what, own)
            async with self._client.request(
                method, way.url, data=body, headers=headers, proxy=proxy, allow_redirects=False
            ) as answer:
                # 301 and the like are for documents: what is posted goes to one address.
                status = 307 if method == "GET" and answer.status in (301, 302, 303) else answer.status
                if status in (307, 308) and (method == "GET" or own):
                    if not way.follow(status, answer.headers.get("Location")):
                        raise SignInFailed(f"{what} ({origin_of(url)}) sends us elsewhere", Why.UNSAFE)
                    continue
                said = ", ".join(answer.headers.getall("WWW-Authenticate", []))
                if own and answer.status < 400:
                    return WebReply(answer.status, b"", said)
                return WebReply(answer.status, await _whole(answer, what), said)

    def _permit(self, url: str, proxy: str | None, what: str, own: bool) -> None:
        host = urlsplit(url).hostname or ""
        if not own and not self._resolver.private and is_private(host):
            raise SignInFailed(
                f"the server sends us to {what} on a private address ({host}), and is not on one itself",
                Why.UNSAFE,
            )
        if own:
            self._resolver.known.add(host)
        if proxy is not None:
            # Who uses a proxy lets it look up names; its own address is the user's choice.
            self._resolver.known.add(urlsplit(proxy).hostname or "")


class _Careful(AbstractResolver):
    """Looks names up and leaves private addresses out.

    Attributes:
        private: They may stay in.
        known: Names that the user chose: for these, too.
    """

    def __init__(self) -> None:
        self._inner = ThreadedResolver()
        self.private = False
        self.known: set[str] = set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if self.private or host in self.known:
            return found
        public = [one for one in found if not is_private(one["host"])]
        if not public:
            raise OSError(None, f'"{host}" leads to a private address, and the server is not on one itself')
        return public

    async def close(self) -> None:
        await self._inner.close()


async def _is_within(host: str, seconds: float) -> bool:
    """Whether a server is on this machine or in a private network."""
    if is_private(host):
        return True
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return False
    return bool(found) and all(is_private(str(one[4][0])) for one in found)


async def _whole(answer: aiohttp.ClientResponse, what: str) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise SignInFailed(f"{what} gives more than {MOST_BYTES} bytes", Why.UNSAFE)
    return bytes(body)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return tls_problem(error.certificate_error) or "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error
        return tls_problem(reason) or reason.strerror or str(reason) or type(reason).__name__
    return type(error).__name__
