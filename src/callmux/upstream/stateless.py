"""A connection to a server without a handshake: what its requests carry, and what comes of their answers.

Made by `callmux.upstream.connection` once a server has shown that it is one; the connection hands it each
request before it is sent. What this era asks of a connection
begins here: `callmux.upstream.rounds` asks clients what the server wants to know,
`callmux.upstream.listening` hears what changes. Such a server needs no connection of its own for a client or
for capabilities, because they travel with the request (MCP 2026-07-28, basic, "Statelessness").
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, cast

from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol import mirrored, stateless
from callmux.protocol.params import DISCOVER
from callmux.protocol.shapes import Tool
from callmux.upstream.exchanges import Exchange, Portable, Sender
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Label
from callmux.upstream.listening import Listen, Listening
from callmux.upstream.rounds import Rounds

HERE = frozenset({"logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"})
"""The requests that such servers have no longer: what they mean is done here."""
DOUBT_SECONDS = 5.0
"""How long a server may take to say that it is of this era still."""
_DONE = Raw(b"{}")


class Stateless:
    """This era on one connection.

    Args:
        sender: The connection.
        revision: What is spoken on it.
        client_info: Who we are, as JSON.
        label: Gives a request headers of its own; None where the link has none.
        lose: Has the connection opened anew, for the reason given.

    Attributes:
        ping: The request that asks whether the server is there.
        listening: Hears what changes.
        ends_streams: A request is given up by ending its stream, and not by a word.
    """

    ping = DISCOVER

    def __init__(
        self,
        sender: Sender,
        revision: str,
        client_info: bytes,
        label: Label | None,
        lose: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._sender = sender
        self._revision = revision
        self._client_info = client_info
        self._label = label
        self._lose = lose
        self._doubt: asyncio.Task[None] | None = None
        self._open: dict[Portable, asyncio.Task[None]] = {}
        self.ends_streams = label is not None
        self.listening = Listening(sender, self.own_meta, self._label_listen)

    def __repr__(self) -> str:
        return f"Stateless({self._revision}, {len(self._open)} asking, {self.listening!r})"

    def doubt(self) -> None:
        """A request was refused as a server of this era does not refuse one: another may have taken its
        place."""
        if self._doubt is None or self._doubt.done():
            self._doubt = self._sender.spawn(self._look())

    async def _look(self) -> None:
        try:
            found = await self._sender.request(DISCOVER, None, DOUBT_SECONDS)
            stateless.read_discovery(found)
        except (CallFailure, ValueError) as error:
            unknown = isinstance(error, CallFailure) and error.category in (
                Category.TIMEOUT,
                Category.TRANSPORT,
            )
            if not unknown and self._sender.live:
                self._lose("it is no longer spoken to as it was")

    def take(self, exchange: Exchange) -> Exchange | None:
        """What is sent in place of a request; None where nothing is, because the server has no such request
        any more."""
        if isinstance(exchange, Rounds | Listen):
            return exchange
        request = cast(Portable, exchange)
        if request.method in HERE:
            self.meanwhile(request, self._do(request))
            return None
        return Rounds(request, self._sender, self)

    @property
    def asking(self) -> Collection[Portable]:
        """What waits for something else than an answer."""
        return self._open.keys()

    def is_busy(self, waiting: Mapping[int, Exchange]) -> bool:
        """Whether anything but listening is under way."""
        return bool(self._open) or any(type(one) is not Listen for one in waiting.values())

    def under_way(self, waiting: Mapping[int, Exchange]) -> int:
        """How many requests are not over, beside listening."""
        return len(self._open) + sum(type(one) is not Listen for one in waiting.values())

    def close(self, failure: CallFailure) -> None:
        """Tells those who wait for something else than an answer that the connection is closed."""
        given_up, self._open = self._open, {}
        for exchange, task in given_up.items():
            task.cancel()
            exchange.failed(failure)

    def is_quiet(self, found: object) -> bool:
        """Whether what is given up leaves nothing to be done at the server."""
        return type(found) is Listen

    def gives_up(self, found: object, exchange: Exchange) -> bool:
        """Gives up an exchange that waits for something else than an answer; whether `found`, which does wait
        for one, stands for it."""
        if (task := self._open.pop(cast(Portable, exchange), None)) is not None:
            task.cancel()
            return False
        return type(found) is Rounds and found.exchange is exchange

    def meanwhile(self, exchange: Portable, work: Coroutine[Any, Any, Any]) -> None:
        """Does something while an exchange waits for no answer of the server; it can be given up."""
        self._open[exchange] = self._sender.spawn(self._meanwhile(exchange, work))

    async def _meanwhile(self, exchange: Portable, work: Coroutine[Any, Any, Any]) -> None:
        failure: CallFailure | None = None
        try:
            await work
        except CallFailure as error:
            failure = error
        finally:
            given_up = self._open.get(exchange) is not asyncio.current_task()
            if not given_up:
                del self._open[exchange]
            self._sender.eased()
        if failure is not None and not given_up:
            exchange.failed(failure)

    async def _do(self, exchange: Portable) -> None:
        """Does here what a request means."""
        if exchange.target is not None and exchange.method == "resources/subscribe":
            await self.listening.add(exchange.target, exchange.seconds)
        elif exchange.target is not None and exchange.method == "resources/unsubscribe":
            self.listening.drop(exchange.target)
        exchange.answered(_DONE)

    def own_meta(self, client: ClientPort | None) -> bytes:
        """What a request says of itself in `_meta`, on behalf of this client or of callmux."""
        if client is None:
            return stateless.own_meta(self._client_info, self._sender.declared, None, self._revision)
        declared = self._sender.declares(client)
        return stateless.own_meta(self._client_info, declared, client.log_level, self._revision)

    def check(self, tool: Tool) -> None:
        """Raises `ValueError` for a tool that must not be used here (same page, "Schema Extension")."""
        if self._label is not None:
            mirrored.mirrored(tool.raw)

    def label(self, id: int, exchange: Portable) -> None:
        """Gives the request its headers."""
        if self._label is not None:
            target = exchange.named_task if exchange.method.startswith("tasks/") else exchange.target
            head = mirrored.head(self._revision, exchange.method, target)
            if exchange.tool is not None and exchange.method == "tools/call":
                head |= mirrored.of_arguments(exchange.arguments, mirrored.mirrored(exchange.tool.raw))
            self._label(id, head)

    def _label_listen(self, id: int, method: str) -> None:
        if self._label is not None:
            self._label(id, mirrored.head(self._revision, method, None))

    def heard(self, method: str, params: Raw | None) -> Raw | None:
        """What a notification says without the mark of our subscription; None where it is for us alone."""
        if method.startswith(("notifications/subscriptions/", "notifications/cancelled")):
            self.listening.heard(method, params)
            return None
        return _DONE if params is None else stateless.without_subscription(params)
