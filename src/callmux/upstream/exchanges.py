"""Who waits for the answer to a request: a call on its way through its stages, or callmux itself.

Stands in the table of `callmux.protocol.upstream_peer`; `callmux.upstream.connection` tells it what became of
the request, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol import jsonrpc
from callmux.protocol.params import with_progress_token
from callmux.upstream.failures import CallFailure


class Exchange(Protocol):
    """A request that waits for its answer.

    Attributes:
        number: Its id on the connection.
        deadline: When it has waited long enough, by the loop's clock; it may move on meanwhile.
        progress: Takes the params of its progress, where that is wanted.
    """

    number: int
    deadline: float
    progress: Callable[[Raw], None] | None

    @property
    def method(self) -> str:
        """The MCP method."""

    @property
    def seconds(self) -> float:
        """How long it may take, for the message when it has taken longer."""

    @property
    def client(self) -> ClientPort | None:
        """The client that caused the request: what the server asks meanwhile goes to that client."""

    def line(self, id: int) -> bytes:
        """What is sent, as our request `id`, which is its progress token, too."""

    def answered(self, result: Raw) -> None:
        """Takes the answer of the server. `result` is a view of what was read."""

    def failed(self, failure: CallFailure) -> None:
        """No answer will come."""


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

    def line(self, id: int) -> bytes:
        params = self.params if self.progress is None else with_progress_token(self.params, id)
        return jsonrpc.request(id, self.method, params)

    def answered(self, result: Raw) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def failed(self, failure: CallFailure) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)
