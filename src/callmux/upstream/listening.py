"""What is heard of changes at a server without a handshake: one stream, opened anew whenever it ends.

Kept by `callmux.upstream.stateless`, one for each connection. The lists of a main connection and the
resources that somebody wants to hear of are one `subscriptions/listen` (MCP 2026-07-28,
basic/patterns/subscriptions): when there is more or less to hear, another one takes its place once the server
has acknowledged it, so that nothing falls between them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol import jsonrpc, stateless
from callmux.protocol.jsonrpc import own_id
from callmux.protocol.params import ACKNOWLEDGED, CHANGES, LISTEN, members
from callmux.protocol.peer import cancellation
from callmux.upstream import failures
from callmux.upstream.exchanges import Sender
from callmux.upstream.failures import CallFailure

log = logging.getLogger(__name__)

ACKNOWLEDGED_SECONDS = 30.0
"""How long a server may take to acknowledge a stream."""
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
LISTS = {asked.removesuffix("ListChanged"): (asked, notice) for asked, notice in CHANGES.items()}
"""By capability: what asks for the notice that a list has changed, and that notice."""
RESOURCES = "resourceSubscriptions"
UPDATED = "notifications/resources/updated"
NO_UPDATES = Raw(b'{"code":-32601,"message":"the server does not tell when this resource changes"}')


class Listen:
    """One stream, as it stands in the connection's table for as long as it is open.

    Args:
        wanted: What is to be heard.
        own: The members of `_meta` that each request has.
        label: Gives the request its headers.
        ended: Called when the stream has ended by itself; with the failure, where there is one.

    Attributes:
        acknowledged: What the server says that it tells of.
    """

    method = LISTEN
    seconds = deadline = inf
    client: ClientPort | None = None
    progress: Callable[[Raw], None] | None = None

    def __init__(
        self,
        wanted: Mapping[str, Any],
        own: bytes,
        label: Callable[[int, str], None],
        ended: Callable[[Listen, CallFailure | None], None],
    ) -> None:
        self.number = 0
        self.wanted = wanted
        self._own = own
        self._label = label
        self._ended = ended
        self.acknowledged: asyncio.Future[Mapping[str, Raw]] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"Listen({self.number}, {', '.join(self.wanted)})"

    def line(self, id: int) -> bytes:
        self._label(id, LISTEN)
        params = msgspec.json.encode({"notifications": self.wanted})
        return jsonrpc.request(id, LISTEN, stateless.with_meta(params, None, self._own, {}))

    def answered(self, result: Raw) -> None:
        """The server has ended the stream in good order."""
        self._ended(self, None)

    def failed(self, failure: CallFailure) -> None:
        self._ended(self, failure)


class Listening:
    """What is heard on one connection.

    Args:
        sender: The connection.
        own_meta: Gives the members of `_meta` that each request has.
        label: Gives a request its headers.
    """

    def __init__(
        self,
        sender: Sender,
        own_meta: Callable[[ClientPort | None], bytes],
        label: Callable[[int, str], None],
    ) -> None:
        self._sender = sender
        self._own_meta = own_meta
        self._label = label
        self._lists: list[str] = []
        self._uris: set[str] = set()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._streams: dict[int, Listen] = {}
        self._stream: Listen | None = None
        self._worker: asyncio.Task[None] | None = None
        self._stale = self._missed = False
        self._delay = 0.0

    def __repr__(self) -> str:
        return f"Listening({len(self._lists)} lists, {len(self._uris)} resources, {self._stream!r})"

    @property
    def notices(self) -> set[str]:
        """The notices of lists that the server sends."""
        return {LISTS[name][1] for name in self._lists}

    def begin(self, capabilities: Mapping[str, Raw]) -> None:
        """Listens to changes of the lists that the server says it tells of."""
        told = [name for name in LISTS if members(capabilities.get(name)).get("listChanged") == Raw(b"true")]
        if told:
            self._lists = told
            self._renew()

    async def add(self, uri: str, seconds: float) -> None:
        """Listens to changes of a resource, too; returns once the server has said that it tells of them.

        Raises:
            CallFailure: It does not, or says nothing in time.
        """
        if self._stream is not None and uri in self._stream.wanted.get(RESOURCES, ()):
            return
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._uris.add(uri)
        self._waiting.append((uri, outcome))
        self._renew()
        try:
            async with asyncio.timeout(seconds):
                await outcome
        except TimeoutError:
            self._uris.discard(uri)
            raise failures.timed_out(f'{LISTEN} on "{self._sender.name}"', seconds * 1000) from None

    def drop(self, uri: str) -> None:
        """Listens no longer to a resource."""
        if uri in self._uris:
            self._uris.discard(uri)
            self._renew()

    def heard(self, method: str, params: Raw | None) -> None:
        """Takes what the server says of a stream itself."""
        if method == ACKNOWLEDGED:
            stream = self._streams.get(own_id(stateless.subscription_of(params)) or 0)
            if stream is not None and not stream.acknowledged.done():
                told = {n: v.copy() for n, v in members(members(params).get("notifications")).items()}
                stream.acknowledged.set_result(told)
            return
        about = cancellation(params)
        stream = None if about is None else self._streams.get(own_id(about.request_id) or 0)
        if stream is not None:
            self._sender.abandon(stream, None)
            self._ended(stream, None)

    def _wanted(self) -> dict[str, Any]:
        wanted: dict[str, Any] = {LISTS[name][0]: True for name in self._lists}
        return {**wanted, RESOURCES: sorted(self._uris)} if self._uris else wanted

    def _renew(self) -> None:
        self._stale = True
        if self._worker is None or self._worker.done():
            self._worker = self._sender.spawn(self._work())

    async def _work(self) -> None:
        """Opens streams until the one there is has all that is wanted."""
        # All that is wanted in the same turn is one stream.
        await asyncio.sleep(self._delay)
        while self._stale and self._sender.live:
            self._stale = False
            wanted = self._wanted()
            before, after, failure = self._stream, None, None
            if wanted:
                after, failure = await self._open(wanted)
            if failure is None:
                self._delay = 0.0
                self._stream = after
                if before is not None and before.number in self._streams:
                    self._close(before)
                self._settle(wanted, after, None)
                if self._missed and after is not None:
                    self._missed = False
                    self._catch_up()
            else:
                self._settle(wanted, None, failure)
                if failure.rpc is not None:
                    # The server's own refusal: it tells of nothing.
                    log.info('could not listen to changes of "%s": %s', self._sender.name, failure.cause)
                    self._lists = []
                    continue
                self._stale = True
                self._delay = min(max(self._delay * 2, FIRST_DELAY_SECONDS), LONGEST_DELAY_SECONDS)
                await asyncio.sleep(self._delay)

    async def _open(self, wanted: Mapping[str, Any]) -> tuple[Listen | None, CallFailure | None]:
        """A stream that the server has acknowledged, or why there is none."""
        stream = Listen(wanted, self._own_meta(None), self._label, self._ended)
        try:
            self._sender.send(stream)
        except CallFailure as failure:
            return None, failure
        self._streams[stream.number] = stream
        try:
            async with asyncio.timeout(ACKNOWLEDGED_SECONDS):
                await stream.acknowledged
        except TimeoutError:
            self._close(stream)
            return None, failures.timed_out(LISTEN, ACKNOWLEDGED_SECONDS * 1000)
        except CallFailure as failure:
            return None, failure
        if stream.number not in self._streams:
            # It ended before anybody looked: something may have changed since.
            self._missed = True
            return None, failures.lost("the server ended the stream of changes at once", started=False)
        return stream, None

    def _settle(self, wanted: Mapping[str, Any], stream: Listen | None, failure: CallFailure | None) -> None:
        """Tells those who wait for a resource what has become of it."""
        uris = wanted.get(RESOURCES, ())
        if stream is not None and RESOURCES not in stream.acknowledged.result():
            failure = failures.refused(NO_UPDATES)
        waiting, self._waiting = self._waiting, []
        for uri, outcome in waiting:
            if uri not in uris:
                self._waiting.append((uri, outcome))
            elif not outcome.done():
                if failure is None:
                    outcome.set_result(None)
                else:
                    self._uris.discard(uri)
                    outcome.set_exception(failure)

    def _close(self, stream: Listen) -> None:
        if self._streams.pop(stream.number, None) is not None:
            self._sender.abandon(stream, None)

    def _ended(self, stream: Listen, failure: CallFailure | None) -> None:
        self._streams.pop(stream.number, None)
        if not stream.acknowledged.done():
            why = failure or failures.lost("the server ended the stream of changes at once", started=False)
            stream.acknowledged.set_exception(why)
        elif stream is self._stream:
            self._stream = None
            if self._sender.live:
                self._missed = True
                self._delay = max(self._delay, FIRST_DELAY_SECONDS)
                self._renew()

    def _catch_up(self) -> None:
        """Nothing was heard for a while: lists and resources may have changed."""
        for name in self._lists:
            self._sender.tell(LISTS[name][1], None)
        for uri in sorted(self._uris):
            self._sender.tell(UPDATED, Raw(msgspec.json.encode({"uri": uri})))
