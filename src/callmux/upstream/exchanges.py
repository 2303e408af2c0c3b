"""Who waits for the answer to a request: a call on its way through its stages, or callmux itself.

Stands in the table of `callmux.protocol.upstream_peer`; `callmux.upstream.connection` tells it what became of
the request, once. `Sender` is what the parts of a connection that speak without a handshake need of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol import jsonrpc, stateless
from callmux.protocol.params import members, optional_text, with_progress_token
from callmux.protocol.shapes import Tool
from callmux.upstream.failures import CallFailure
from callmux.upstream.task_makers import TaskMakers


class Exchange(Protocol):
    """A request that waits for its answer.

    Attributes:
        number: Its id on the connection.
    """

    number: int

    @property
    def method(self) -> str:
        """The MCP method."""

    @property
    def seconds(self) -> float:
        """How long it may take, for the message when it has taken longer."""

    @property
    def deadline(self) -> float:
        """When it has waited long enough, by the loop's clock; it may move on meanwhile."""

    @property
    def progress(self) -> Callable[[Raw], None] | None:
        """Takes the params of its progress, where that is wanted."""

    @property
    def client(self) -> ClientPort | None:
        """The client that caused the request: what the server asks meanwhile goes to that client."""

    def line(self, id: int) -> bytes:
        """What is sent, as our request `id`, which is its progress token, too."""

    def answered(self, result: Raw) -> None:
        """Takes the answer of the server. `result` is a view of what was read."""

    def failed(self, failure: CallFailure) -> None:
        """No answer will come."""


class Portable(Exchange, Protocol):
    """A request that servers of either era take.

    Attributes:
        arguments: Those of the tool that it calls.
    """

    deadline: float
    arguments: bytes | None

    @property
    def target(self) -> str | None:
        """The tool, prompt, URI or task that it names."""

    @property
    def named_task(self) -> str | None:
        """The task that it names."""

    @property
    def tool(self) -> Tool | None:
        """What its server lists of the tool that it calls."""

    def dressed(self, id: int, own: bytes, more: Mapping[str, Raw]) -> bytes:
        """What is sent where there is no handshake.

        Args:
            own: The members of `_meta` that it must have: what `callmux.protocol.stateless.own_meta` gives.
            more: Further members of the params.
        """


class Sender(Protocol):
    """A connection, as far as requests know it that are sent on it.

    Attributes:
        name: The server's name.
        live: Whether requests may be sent.
        declared: What is declared on behalf of no client.
        declares: Gives what is declared on behalf of a client.
        makers: Its tasks.
    """

    name: str
    makers: TaskMakers
    live: bool
    declared: bytes
    declares: Callable[[ClientPort], bytes]

    def send(self, exchange: Exchange) -> None:
        """Sends a request; raises `CallFailure` where it cannot be sent."""

    def abandon(self, exchange: Exchange, reason: str | None) -> None:
        """Gives up a request."""

    def request(self, method: str, params: bytes | None, seconds: float) -> Coroutine[Any, Any, bytes]:
        """The result of a request of callmux itself; raises `CallFailure`."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts something that ends with the connection."""

    def eased(self) -> None:
        """Somebody who was under way no longer is."""

    def tell(self, method: str, params: Raw | None) -> None:
        """Hands over a notification, as if it had come from the server."""

    def ask(
        self, method: str, params: Raw | None, client: ClientPort, name: str | None = None
    ) -> Awaitable[bytes | Raw]:
        """A client's answer to what the server wants to know; raises `RpcError` where it refuses."""


class OwnExchange(msgspec.Struct, eq=False, kw_only=True):
    """A request of callmux itself, whose answer is awaited.

    Attributes:
        answer: Its answer.
        params: A JSON object, sent as it is but for the progress token.
    """

    method: str
    params: bytes | Raw | None
    seconds: float
    deadline: float
    answer: asyncio.Future[Raw]
    client: ClientPort | None = None
    progress: Callable[[Raw], None] | None = None
    number: int = 0
    arguments: bytes | None = None
    tool: Tool | None = None

    @property
    def target(self) -> str | None:
        given = members(self.params)
        raw = next((given[name] for name in ("name", "uri", "taskId") if name in given), None)
        return None if raw is None else optional_text(raw)

    @property
    def named_task(self) -> str | None:
        return self.target

    def line(self, id: int) -> bytes:
        params = self.params if self.progress is None else with_progress_token(self.params, id)
        return jsonrpc.request(id, self.method, params)

    def dressed(self, id: int, own: bytes, more: Mapping[str, Raw]) -> bytes:
        token = None if self.progress is None else id
        return jsonrpc.request(id, self.method, stateless.with_meta(self.params, token, own, more))

    def answered(self, result: Raw) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def failed(self, failure: CallFailure) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)
