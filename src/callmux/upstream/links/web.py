"""What both HTTP links share: the client, the proxy, redirects, and what a status or an exception means.

Called by `callmux.upstream.links.http` and `.sse`; what is known of a call is said by
`callmux.protocol.http_client`. Imports aiohttp, so it is imported when the first remote server is configured
and not before.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple

import aiohttp
from msgspec import Raw
from yarl import URL

from callmux import __version__
from callmux.protocol import jsonrpc
from callmux.protocol.failure_points import PROOFS, Carrier, Known, Point, Session, known
from callmux.protocol.http_answer import failure_in, is_error_of
from callmux.protocol.http_client import Redirects, refusal_point, tls_problem
from callmux.protocol.jsonrpc import Failure
from callmux.protocol.sse import TooLarge
from callmux.proxies import proxy_for
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import Challenge, Credentials

CONNECT_SECONDS = 30.0
READ_BYTES = 2**20
MOST_REFUSALS = 2
"""How often one request is sent again with other credentials: a new token, then one that allows more."""
SHOWN_BYTES = 4096
"""How much of a refusal is read."""


class StatusRefused(Exception):
    """A status that is no success.

    Args:
        status: The HTTP status.
        body: The beginning of the body.
        challenge: The `WWW-Authenticate` header, or empty.
        retry_after: Whether the server said when to come back.
        lack: Why there are no other credentials to be had, where that is known.
    """

    def __init__(
        self,
        status: int,
        body: bytes,
        challenge: str,
        retry_after: bool = False,
        lack: CallFailure | None = None,
    ) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body
        self.challenge = challenge
        self.retry_after = retry_after
        self.lack = lack


async def refused(answer: aiohttp.ClientResponse) -> StatusRefused:
    """What an answer refuses; reads the beginning of its body."""
    headers = answer.headers
    body = await answer.content.read(SHOWN_BYTES)
    return StatusRefused(answer.status, body, headers.get("WWW-Authenticate", ""), "Retry-After" in headers)


def open_client() -> aiohttp.ClientSession:
    """A client without limits of its own: a slow answer is bounded by its call, and by nothing else."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        headers={"User-Agent": f"callmux/{__version__}"},
        read_bufsize=READ_BYTES,
        auto_decompress=True,
    )


class WebAddress:
    """Where requests of a link go, and with which credentials.

    Args:
        url: The address, used as it is written.
        credentials: Who asks.

    Attributes:
        url: The same.
    """

    __slots__ = ("_credentials", "_proxy", "_target", "url")

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url
        self._credentials = credentials
        self._target = address(url)
        self._proxy = proxy_for(url)

    async def send(
        self,
        client: aiohttp.ClientSession,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        arrived: list[str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Sends a request and gives the answer once its head is there; the caller closes it. A redirect is
        followed where nobody else can get the credentials. A request that was refused for want of them is
        sent again where there are others.

        Args:
            headers: What belongs to the request; they go before those of the credentials.
            arrived: Takes the address that answered in the end, where it is another one.

        Raises:
            CallFailure: There are no credentials to be had; nothing was sent.
            StatusRefused: The same after a refusal. What that means depends on what was asked.
        """
        refusals = 0
        while True:
            own = self._credentials.headers()
            if not isinstance(own, Mapping):
                own = await own
            answer = await self._once(client, method, {**own, **headers}, body, arrived)
            if answer.status not in (401, 403) or refusals == MOST_REFUSALS:
                return answer
            refusals += 1
            said = answer.headers.get("WWW-Authenticate", "")
            final = False
            try:
                again = self._credentials.refused(Challenge(answer.status, said, own))
                final = not (again if isinstance(again, bool) else await again)
            except CallFailure as lack:
                raise StatusRefused(answer.status, b"", said, lack=lack) from lack
            finally:
                if not final:
                    answer.close()
            if final:
                return answer

    async def _once(
        self,
        client: aiohttp.ClientSession,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None,
        arrived: list[str] | None,
    ) -> aiohttp.ClientResponse:
        answer = await client.request(
            method, self._target, data=body, headers=headers, proxy=self._proxy, allow_redirects=False
        )
        if not 300 <= answer.status < 400:
            return answer
        way = Redirects(self.url)
        while way.follow(answer.status, answer.headers.get("Location")):
            answer.release()
            answer = await client.request(
                method,
                address(way.url),
                data=body,
                headers=headers,
                proxy=proxy_for(way.url),
                allow_redirects=False,
            )
            if arrived is not None:
                arrived[:] = [way.url]
        return answer


def address(url: str) -> URL:
    """`url` for the client, its percent-encoding as it is written, unless it holds what must be encoded."""
    if not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\^`{|}'):
        return URL(url)
    scheme, colon, rest = url.partition(":")
    return URL(scheme.lower() + colon + rest, encoded=True)


async def whole(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body; it grows as it comes, because to join the parts of a large one takes long.

    Raises:
        TooLarge: It is larger than `limit`, unpacked.
    """
    body = BytesIO()
    size = 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the answer is larger than {limit} bytes")
        body.write(chunk)
    return body.getvalue()


def failure_of(error: Exception, carrier: Carrier = Carrier.HTTP) -> CallFailure:
    """What an exception of the client means: only a connection that never came about has sent nothing."""
    nothing, again, _ = known(carrier, Point.NO_CONNECTION)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        cause = f"the server cannot be reached: {_unreachable(error)}"
        return failures.lost(cause, started=nothing, untaken=again)
    if isinstance(error, aiohttp.InvalidURL):
        return CallFailure(Category.TRANSPORT, f"the URL cannot be used: {error}", started=nothing)
    if isinstance(error, TooLarge):
        # To ask once more would bring as much.
        begun = known(Carrier.HTTP, Point.UNREADABLE).begun
        cause = f"{error}: ask for less, or raise the server's responseBodyMaxBytes"
        return CallFailure(Category.UNKNOWN, cause, started=begun)
    if isinstance(error, ValueError):
        begun = known(Carrier.HTTP, Point.UNREADABLE).begun
        return CallFailure(Category.PROTOCOL, str(error), started=begun)
    begun = known(carrier, Point.SILENT).begun
    return failures.lost(f"the connection broke: {error or type(error).__name__}", started=begun)


def _unreachable(error: aiohttp.ClientConnectorError) -> str:
    """Where nobody answers and why, in words for people: `127.0.0.1:9: connection refused`."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{error.host}:{error.port}: {tls_problem(error.certificate_error) or error.certificate_error}"
    reason = error.os_error
    if (problem := tls_problem(reason)) is not None:
        return f"{error.host}:{error.port}: {problem}"
    if isinstance(reason, ConnectionRefusedError):
        return f"{error.host}:{error.port}: connection refused; does it run?"
    if isinstance(reason, socket.gaierror):
        return f'there is no host "{error.host}" ({reason.strerror}); is the URL right?'
    return f"{error.host}:{error.port}: {reason.strerror or reason}"


class Doubtful(Exception):
    """A server's own error that may be about the session."""

    def __init__(self, answer: Failure) -> None:
        super().__init__("an error that speaks of the session")
        self.answer = answer


def unknown_session() -> CallFailure:
    """The end of a link whose server has forgotten it."""
    cause = "the server no longer knows the session"
    return CallFailure(Category.SESSION, cause, started=False, over=True)


def words(error: Exception) -> str:
    """What an exception says, or its name where it says nothing."""
    return str(error) or type(error).__name__


class StatusVerdict(NamedTuple):
    """What a refusal means.

    Attributes:
        failure: For the call, as long as nothing is known of the session.
        known: What the refusal alone says.
        proof: Where a ping must be refused, if that is to be believed.
    """

    failure: CallFailure
    known: Known
    proof: Point | None = None

    def forgotten(self, ping: Point) -> CallFailure:
        """The failure where the server was found to have forgotten the session.

        Args:
            ping: Where the ping stands that was refused.
        """
        failure, about, proof = self
        if failure.over:
            return failure
        begun, again = about.begun, about.again
        if proof is not None and ping is not proof:
            begun, again = failure.started, failure.untaken
        is_refusal = failure.category is Category.AUTHORIZATION
        said = f"the server no longer knows the session; it said: {failure.cause}"
        return CallFailure(
            Category.AUTHORIZATION if is_refusal else Category.SESSION,
            failure.cause if failure.sign_in else said,
            started=begun,
            rpc=failure.rpc,
            raw=failure.raw,
            over=True,
            untaken=again,
            lasting=failure.lasting,
            sign_in=failure.sign_in,
        )


def verdict(refused: StatusRefused, carrier: Carrier, *, named: bool, id: int | None = None) -> StatusVerdict:
    """What an HTTP status means for a call.

    Args:
        carrier: The way it went.
        named: Whether the request named a session.
        id: The request's own, where it has one.
    """
    answered = is_error_of(refused.body, id)
    challenged = bool(refused.challenge)
    point = refusal_point(refused.status, refused.body, named=named, challenged=challenged, answered=answered)
    alone = known(carrier, point)
    # What a tool may say of its own proves nothing yet.
    begun, again, _ = known(carrier, Point.REFUSED) if point in PROOFS else alone
    lack = refused.lack
    category, cause, error = _reading(refused, point) if lack is None else (lack.category, lack.cause, None)
    failure = CallFailure(
        category,
        cause,
        started=begun,
        rpc=None if error is None else jsonrpc.read_error(error),
        raw=None if error is None else bytes(error),
        over=alone.session is Session.OVER,
        untaken=again,
        lasting=lack is not None and lack.lasting,
        sign_in=lack is not None and lack.sign_in,
    )
    return StatusVerdict(failure, alone, PROOFS.get(point))


def resumption_verdict(refused: StatusRefused) -> StatusVerdict:
    """The same for a server that does not go on with an answer: that says nothing of the request itself."""
    alone = known(Carrier.HTTP, Point.NO_RESUMPTION)
    cause = f"the answer broke off, and the server does not go on with it (HTTP {refused.status})"
    return StatusVerdict(
        CallFailure(Category.TRANSPORT, cause, started=alone.begun, untaken=alone.again), alone
    )


def _reading(refused: StatusRefused, point: Point) -> tuple[Category, str, Raw | None]:
    status, said = refused.status, failure_in(refused.body)
    if point is Point.NO_SESSION:
        return Category.SESSION, "the server no longer knows the session (HTTP 404)", None
    if status in (401, 403):
        what = "asks for credentials" if status == 401 else "does not allow this with the credentials given"
        challenge = f" It says: {refused.challenge[:200]}." if refused.challenge else ""
        cause = (
            f"the server {what} (HTTP {status}).{challenge} Set an Authorization header under the server's "
            '"headers" in the configuration, for example "Authorization": "Bearer ${TOKEN}"'
        )
        return Category.AUTHORIZATION, cause, None
    if said is not None:
        error = jsonrpc.read_error(said.error)
        return Category.UNKNOWN, error.message or f"JSON-RPC error {error.code}", said.error
    if status in (429, 503):
        return Category.UNKNOWN, f"the server is busy (HTTP {status})", None
    if 300 <= status < 400:
        where = "to where callmux does not follow: put the new address into the configuration"
        return Category.PROTOCOL, f"the server redirects (HTTP {status}) {where}", None
    if status < 500:
        return Category.PROTOCOL, f"the server refuses the request (HTTP {status})", None
    return Category.UNKNOWN, f"the server failed (HTTP {status})", None
