"""Carries a client's request to the node that serves its session, and the answer back as it comes.

Made by `callmux.nodes.cluster`. What was begun and broke is not begun again here: `Fate` says what is known
of it, and `callmux.nodes.placing` decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import ssl
from collections.abc import Callable, Iterable
from enum import Enum
from io import BytesIO
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from callmux.nodes.register import NodeFacts
from callmux.nodes.sealing import FREE_BYTES, NodeKeys, Passed, PassedClient, finite
from callmux.protocol import versions
from callmux.protocol.routing import VERSION
from callmux.tasks import at_once
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Refusal

if TYPE_CHECKING:
    from callmux.guard.grant import Grant
    from callmux.guard.principal import Principal

log = logging.getLogger(__name__)

CONNECT_SECONDS = 1.0
LOOKS = 3
"""How often it is looked whether a node is gone that takes a connection and ends it: a killed process ends
its own one after the other."""
MOMENT_SECONDS = 0.1
KEPT_SECONDS = 30.0
"""How long an idle connection to another node is kept: less than the node keeps it."""
PATH = "/callmux/node"
MAC = "x-callmux-node-mac"
SIZE = "x-callmux-node-size"
PROOF = "x-callmux-node-proof"
NODE = "x-callmux-node"
"""The header of an answer that says which node gave it."""
MISDIRECTED = 421
FAILED = 500
"""From which status on an answer says that something began and failed."""
_OWN = frozenset(
    {"connection", "date", "keep-alive", "server", "transfer-encoding", "trailer", "upgrade", PROOF, NODE}
)
"""Headers of an answer that belong to the connection between two nodes."""
_DROPPED = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "transfer-encoding", "upgrade"}
)
"""Headers of a request that say how its own connection carried it."""

ENDING = Refusal(503, "This node ends: open the stream again at another one", headers={"Retry-After": "1"})
AWAY = Refusal(
    503,
    "Which node serves this session cannot be told now, and nothing was begun: ask again in a moment",
    headers={"Retry-After": "1"},
)
UNREACHED = Refusal(
    503,
    "The node that serves this session cannot be reached, and nothing was begun: ask again in a moment",
    headers={"Retry-After": "1"},
)


class Fate(Enum):
    """What became of a request that was passed on."""

    ANSWERED = "the answer went out, as far as its client took it"
    REFUSED = "nobody listens at the address of the node, which has seen nothing"
    UNREACHED = "no connection to the node came about: it has seen nothing"
    ELSEWHERE = "the node does not own the session"
    BROKEN = "the connection broke before the answer began"
    CUT = "the connection broke within the answer"


class Passing:
    """The connections to other nodes.

    Args:
        keys: What both ends have.
        sender: Gives the id of this node.
        tls: What addresses with https are checked by.
    """

    def __init__(self, keys: NodeKeys, sender: Callable[[], str], tls: ssl.SSLContext | None = None) -> None:
        self._keys = keys
        self._sender = sender
        self._tls = tls
        self._numbers = count()
        self._http: aiohttp.ClientSession | None = None
        self._waiting: dict[tuple[str, str], set[asyncio.Future[Fate]]] = {}
        self._streams: set[asyncio.Future[Fate]] = set()
        self._closed = False
        self._distrusted: set[str] = set()
        self.passed = 0

    def __repr__(self) -> str:
        return f"Passing({self.passed} requests)"

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector = aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEPT_SECONDS, ssl=self._tls if self._tls is not None else True
            )
            self._http = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                read_bufsize=256 * 1024,
            )
        return self._http

    def end_streams(self) -> None:
        """Ends what clients listen to at other nodes: they open it again there."""
        for stream in list(self._streams):
            stream.cancel("this node ends")

    async def close(self) -> None:
        """Ends the connections."""
        self._closed = True
        if self._http is not None:
            await self._http.close()

    def vanished(self, present: Iterable[NodeFacts]) -> None:
        """Gives up what waits for nodes that are not there any more. Where one goes on under another id, what
        it works on goes on, too."""
        known = {name for node in present for name in (node.id, node.address)}
        self._distrusted &= known
        for (id, address), waiting in list(self._waiting.items()):
            if id not in known and address not in known:
                for one in list(waiting):
                    one.cancel(f"node {id} is gone")

    async def pass_on(
        self,
        exchange: Exchange,
        node: NodeFacts,
        body: bytes,
        stays: Callable[[], bool],
        heard: Callable[[bytes], None] | None = None,
    ) -> Fate:
        """Has a request answered by another node.

        Args:
            stays: Whether the client may still read a stream.
            heard: Takes what goes out of an event stream.
        """
        if self._closed:
            return Fate.UNREACHED
        passed = self._described(exchange, node)
        work = at_once(self._carried(exchange, node, passed, body, stays, heard))
        place = node.id, node.address
        waiting = self._waiting.setdefault(place, set())
        waiting.add(work)
        if exchange.method == "GET":
            self._streams.add(work)
        left: list[bool] = []

        def leave() -> None:
            left.append(work.cancel())

        # Leaving is how these clients cancel: the node is to see that, also where nothing is answered yet.
        modern = exchange.headers.get(VERSION) in versions.MODERN
        stays_on = exchange.when_left(leave) if modern else None
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.cancelled() and (task := asyncio.current_task()) is not None and not task.cancelling():
                # Not we are given up, but the node, or the client has left.
                return Fate.ANSWERED if left else Fate.CUT if exchange.started else Fate.BROKEN
            work.cancel()
            # What it has opened ends before whoever gave it up goes on.
            await asyncio.wait({work})
            raise
        finally:
            if stays_on is not None:
                stays_on()
            waiting.discard(work)
            self._streams.discard(work)
            if not waiting:
                self._waiting.pop(place, None)

    def _described(self, exchange: Exchange, node: NodeFacts) -> Passed:
        headers = tuple((name, value) for name, value in exchange.headers.items() if name not in _DROPPED)
        return Passed(
            sender=self._sender(),
            receiver=node.id,
            number=next(self._numbers),
            method=exchange.method,
            path=exchange.path,
            query=exchange.query_string.decode("latin-1"),
            headers=headers,
            scheme=exchange.scheme,
            peer=exchange.peer,
            request_id=exchange.request_id,
            profile=exchange.profile,
            client=None if exchange.principal is None else _client_of(exchange.principal, exchange.grant),
            granted=exchange.grant is not None,
            seen_host=exchange.seen_host,
            seen_https=exchange.seen_https,
        )

    async def _carried(
        self,
        exchange: Exchange,
        node: NodeFacts,
        passed: Passed,
        body: bytes,
        stays: Callable[[], bool],
        heard: Callable[[bytes], None] | None,
    ) -> Fate:
        sent, mac = self._keys.seal(passed, body)
        self.passed += 1
        try:
            async with self._client().post(
                node.address + PATH,
                data=sent if len(sent) <= FREE_BYTES else BytesIO(sent),
                headers={MAC: mac, "content-type": "application/octet-stream", **self._announced(len(sent))},
                allow_redirects=False,
            ) as answer:
                if not self._keys.proves(answer.headers.get(PROOF, ""), mac):
                    what = "what answers at %s is no node with our state.key (HTTP %d)"
                    log.warning(what, node.address, answer.status)
                    # What refuses has done nothing; of what fails without a proof nobody knows what it was.
                    return Fate.UNREACHED if answer.status < FAILED else Fate.BROKEN
                if answer.status == MISDIRECTED:
                    return Fate.ELSEWHERE
                return await self._relayed(exchange, answer, stays, heard)
        except aiohttp.ClientSSLError as error:
            if node.id not in self._distrusted:
                self._distrusted.add(node.id)
                log.warning("no request goes to node %s at %s: %s", node.id, node.address, error)
            return Fate.UNREACHED
        except aiohttp.ClientConnectorError as error:
            return Fate.REFUSED if error.os_error.errno == errno.ECONNREFUSED else Fate.UNREACHED
        except aiohttp.ServerTimeoutError:
            # Only connecting has a bound.
            return Fate.UNREACHED
        except (aiohttp.ClientError, ConnectionError):
            return Fate.CUT if exchange.started else Fate.BROKEN

    def _announced(self, size: int) -> dict[str, str]:
        return {SIZE: self._keys.announced(size)} if size > FREE_BYTES else {}

    async def _relayed(
        self,
        exchange: Exchange,
        answer: aiohttp.ClientResponse,
        stays: Callable[[], bool],
        heard: Callable[[bytes], None] | None,
    ) -> Fate:
        headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in _OWN}
        headers.pop("x-request-id", None)
        if EVENT_STREAM not in headers.get("content-type", ""):
            # An answer in one piece: whole, or not at all.
            whole = await answer.read()
            headers["content-length"] = str(len(whole))
            await exchange.start(answer.status, headers)
            await exchange.write(whole, more=False)
            return Fate.ANSWERED
        # Head and beginning in one packet: a client that gets the head alone has no id to go on from.
        part = await answer.content.readany()
        await exchange.start(answer.status, headers)
        gone = at_once(exchange.departure())
        news: asyncio.Task[bytes] | None = None
        try:
            while part and stays():
                if heard is not None:
                    heard(part)
                await exchange.write(part, more=True)
                news = at_once(answer.content.readany())
                await asyncio.wait({gone, news}, return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    # The client has left: the node is to see that, too.
                    answer.close()
                    return Fate.ANSWERED
                part = news.result()
            await exchange.write(b"", more=False)
        finally:
            for task in (gone, news):
                if task is not None and not task.done():
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
        return Fate.ANSWERED

    async def is_gone(self, node: NodeFacts) -> bool:
        """Whether nobody listens at its address any more."""
        parts = urlsplit(node.address)
        for _ in range(LOOKS):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            except ConnectionRefusedError:
                return True
            except (OSError, TimeoutError):
                return False
            try:
                async with asyncio.timeout(MOMENT_SECONDS):
                    await reader.read(1)
            except TimeoutError:
                return False
            except OSError as error:
                log.debug("node %s ends: %s", node.id, error)
            finally:
                writer.close()
        return False


def _client_of(principal: Principal, grant: Grant | None) -> PassedClient:
    return PassedClient(
        kind=principal.kind,
        id=principal.id,
        subject=principal.subject,
        scopes=principal.scopes,
        groups=principal.groups,
        not_before=None if grant is None else finite(grant.not_before),
        expires=None if grant is None else finite(grant.expires),
        audiences=() if grant is None else grant.audiences,
        lacks=() if grant is None else grant.lacks,
    )
