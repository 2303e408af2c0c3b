"""What a person does at the dashboard beside changing servers: tries a tool, gives a call up, decides.

Made by `callmux.dashboard.pages`, which has checked that it may be done, and that the page itself asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from callmux.dashboard.kept import DashboardState
from callmux.dashboard.trials import Answer
from callmux.errors import CallmuxError
from callmux.guard.browsers import Browser
from callmux.process.host import Host
from callmux.protocol import jsonrpc
from callmux.tasks import at_once
from callmux.transport.http.exchange import Exchange, Refusal
from callmux.transport.http.intake import ClientLeft, is_elsewhere, read_body, too_large

MOST_BYTES = 64 * 1024
"""Of a body that names something."""
NO_STORE = {"cache-control": "no-store"}
_MESSAGE = b'{"jsonrpc":"2.0","id":0,"method":"tools/call","params":%b}'


class _Call(msgspec.Struct):
    name: str
    arguments: Raw = Raw(b"{}")


class _Cancel(msgspec.Struct):
    id: str


class _Answer(msgspec.Struct):
    id: str
    answer: str


class Actions:
    """The actions.

    Args:
        host: Runs the servers.
        kept: What stays while configurations come and go.
        visitor: Gives the browser of a request.
    """

    def __init__(
        self, host: Host, kept: DashboardState, visitor: Callable[[Exchange], Browser | None]
    ) -> None:
        self._host = host
        self._kept = kept
        self._visitor = visitor

    async def call(self, exchange: Exchange) -> None:
        """Tries a tool; gives what an agent would get, and what the server sent."""
        most = self._host.runtime.config.request_body_max_bytes
        asked = await _read(exchange, _Call, most)
        arguments = asked.arguments
        if not bytes(arguments).lstrip().startswith(b"{"):
            raise Refusal(400, "arguments must be a JSON object")
        params = _as_of_client(asked)
        self._check_size(params)
        visitor = self._visitor(exchange)
        principal = exchange.principal
        owner: object = visitor or (None if principal is None else principal.label)
        running = at_once(
            self._kept.trials.run(
                owner, principal, params, exchange.request_id, elsewhere=is_elsewhere(exchange)
            )
        )
        answer = await _unless_left(exchange, running)
        shown = {**answer.shown(), "requestId": exchange.request_id}
        await exchange.answer_json(200, shown, NO_STORE)

    def _check_size(self, params: bytes) -> None:
        """Refuses what is larger than the server takes, as for any client."""
        message = _MESSAGE % params
        servers = self._host.runtime.config.servers
        limits = [servers[name].request_body_max_bytes for name in self._host.addressed(message)]
        finite = [limit for limit in limits if limit]
        if finite and len(params) > min(finite):
            raise too_large(min(finite), size=len(params))

    async def cancel(self, exchange: Exchange) -> None:
        """Gives a call up that runs."""
        asked = await _read(exchange, _Cancel, MOST_BYTES)
        cancelled = self._kept.live.give_up(asked.id, self._who(exchange))
        await exchange.answer_json(200, {"cancelled": cancelled}, NO_STORE)

    async def approve(self, exchange: Exchange) -> None:
        """Decides about calls that wait."""
        asked = await _read(exchange, _Answer, MOST_BYTES)
        try:
            allowed = self._kept.waiting.answer(asked.id, asked.answer)
        except CallmuxError as failure:
            raise Refusal(409, failure.message) from None
        await exchange.answer_json(200, {"id": asked.id, "allowed": allowed}, NO_STORE)

    def _who(self, exchange: Exchange) -> str:
        visitor = self._visitor(exchange)
        principal = exchange.principal if visitor is None else visitor.principal
        return "nobody known" if principal is None else principal.label


def _as_of_client(asked: _Call) -> bytes:
    """The params of the call, read as the message of any client is: what stands on several lines would be
    several messages for a server.

    Raises:
        Refusal: No client could send that.
    """
    params = msgspec.json.encode({"name": asked.name, "arguments": asked.arguments})
    message = jsonrpc.parse(jsonrpc.on_one_line(_MESSAGE % params))
    if isinstance(message, jsonrpc.Request) and message.params is not None:
        return bytes(message.params)
    why = message.message if isinstance(message, jsonrpc.Malformed) else "they are no JSON"
    raise Refusal(400, f"the arguments cannot be sent: {why}")


async def _read(exchange: Exchange, kind: type[Any], most: int) -> Any:
    try:
        return msgspec.json.decode(await read_body(exchange, most), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Refusal(400, f"the body cannot be used: {error}") from None


async def _unless_left(exchange: Exchange, running: asyncio.Task[Answer]) -> Answer:
    """What a task gives; it is given up when the browser leaves.

    Raises:
        ClientLeft: The browser did.
    """
    gone = at_once(exchange.departure())
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
            raise ClientLeft
        return running.result()
    finally:
        gone.cancel()
        running.cancel()
