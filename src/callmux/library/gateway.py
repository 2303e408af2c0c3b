"""The tools of many servers for a program, in its own process, without a listener.

Made by programs, and by `callmux.library.listener` for one that has a listener anyway. It is an MCP client on
one end of a session, as any other is, but nothing of it leaves the process.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from callmux import __version__
from callmux.clock import Clock
from callmux.config.sources import Sources
from callmux.errors import CallmuxError
from callmux.library.loading import Given, Loader
from callmux.library.subscribers import ROOM, FactStream, Subscribers
from callmux.observe.facts import Fact
from callmux.process.host import Host
from callmux.protocol.jsonrpc import parse
from callmux.session.session import Session

log = logging.getLogger("callmux")
F = TypeVar("F", bound=Fact)

VERSION = "2025-11-25"
CLIENT = "callmux-gateway"
"""What a gateway calls itself."""
_NOT_RUNNING = "the gateway does not run: call start() first, or use it with `async with`"


class RequestFailed(CallmuxError):
    """A request was answered with a JSON-RPC error, or the gateway does not run.

    Attributes:
        rpc_code: The code of the error; None where there was no answer.
        data: What came with it.
    """

    code = "request_failed"

    def __init__(self, message: str, rpc_code: int | None = None, data: Any = None) -> None:
        super().__init__(message, rpcCode=rpc_code)
        self.rpc_code = rpc_code
        self.data = data


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool has answered.

    Attributes:
        raw: The result as MCP has it.
        is_error: Whether it says that it is an error; a failure of callmux looks the same.
    """

    raw: dict[str, Any]
    is_error: bool

    @property
    def text(self) -> str:
        """Its texts, one after the other."""
        parts = self.raw.get("content")
        found = parts if isinstance(parts, list) else []
        return "\n".join(p["text"] for p in found if isinstance(p, dict) and isinstance(p.get("text"), str))

    @property
    def data(self) -> Any:
        """Its structured content; else its text as JSON; else its text."""
        if "structuredContent" in self.raw:
            return self.raw["structuredContent"]
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


class Gateway:
    """The servers of a configuration.

    Args:
        config: The path of a configuration file, or an object as such a file holds it.
        env: The variables that servers and references get; those of this process where absent.
        base_dir: Where relative paths of an object start; the working directory where absent.
        show: Takes the name of a server and a line that it wrote to stderr; the log where absent.
    """

    def __init__(
        self,
        config: Given,
        *,
        env: Mapping[str, str] | None = None,
        base_dir: Path | None = None,
        show: Callable[[str, str], None] | None = None,
    ) -> None:
        self._env = dict(os.environ if env is None else env)
        self._loader = Loader(config, self._env, base_dir)
        self._show = show or (lambda server, line: log.info("[%s] %s", server, line))
        self._host: Host | None = None
        self._is_ours = True
        self._session: Session | None = None
        self._client, self._instructions = CLIENT, ""
        self._subscribers = Subscribers()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    @classmethod
    def of(cls, host: Host) -> Gateway:
        """One for servers that run already; it does not end them."""
        gateway = cls({"servers": {}})
        gateway._host, gateway._is_ours = host, False
        return gateway

    async def __aenter__(self) -> Gateway:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Connects its servers; calls wait for those they need.

        Raises:
            CallmuxError: The configuration cannot be used.
        """
        if self._session is not None:
            return
        if self._host is None:
            config, base = self._loader(Sources()), self._loader.base_dir
            self._host = Host(config, base, self._env, self._show, single=True, clock=Clock())
        self._subscribers.attach(self._host.bus)
        self._session = Session(self._host.dispatch, self._take)
        self._host.add(self._session, "in-process")
        client = {"name": self._client, "version": __version__}
        told = await self.request(
            "initialize", {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client}
        )
        self._instructions = str(told.get("instructions", ""))
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def list_tools(self) -> list[dict[str, Any]]:
        """The tools, as any client sees them."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.request("tools/list", {} if cursor is None else {"cursor": cursor})
            found += page.get("tools", [])
            cursor = page.get("nextCursor")
            if not cursor:
                return found

    async def given_to(self, client: str) -> tuple[str, list[dict[str, Any]]]:
        """The instructions and the tools that a client is given which calls itself so.

        Raises:
            RequestFailed: The gateway does not run.
        """
        if self._host is None or self._session is None:
            raise RequestFailed(_NOT_RUNNING)
        other = Gateway.of(self._host)
        other._client = client
        async with other:
            return other._instructions, await other.list_tools()

    async def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> ToolResult:
        """Calls a tool, `callmux_*` ones included. An answer that is an error is one, too: see `is_error`.

        Raises:
            RequestFailed: There was no answer of a tool.
        """
        result = await self.request("tools/call", {"name": name, "arguments": dict(arguments or {})})
        return ToolResult(result, result.get("isError") is True)

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any request of MCP; gives its result. Cancelling this cancels the request.

        Raises:
            RequestFailed: It was answered with an error.
        """
        if self._session is None:
            raise RequestFailed(_NOT_RUNNING)
        id = next(self._ids)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
        try:
            self._send(message if params is None else {**message, "params": dict(params)})
            told = await answer
        except asyncio.CancelledError:
            self._send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
            raise
        finally:
            del self._waiting[id]
        if (error := told.get("error")) is not None:
            raise RequestFailed(str(error.get("message")), error.get("code"), error.get("data"))
        result: dict[str, Any] = told["result"]
        return result

    async def ready(self) -> str:
        """Waits until every server is up or has failed: `ok`, `degraded` or `down`.

        Raises:
            RequestFailed: The gateway does not run.
        """
        if self._host is None or self._session is None:
            raise RequestFailed(_NOT_RUNNING)
        return await self._host.readiness()

    def subscribe(self, kind: type[F], listener: Callable[[F], None]) -> Callable[[], None]:
        """Has `listener` called with each fact of a kind: see `Listener.subscribe`."""
        return self._subscribers.subscribe(kind, listener)

    def events(self, *kinds: type[Fact], room: int = ROOM) -> FactStream:
        """Facts of these kinds, for `async for`: see `Listener.events`."""
        return self._subscribers.events(kinds, room)

    async def close(self) -> None:
        """Ends its session, and its servers where they are its own."""
        session, self._session = self._session, None
        host = self._host
        try:
            if session is not None and host is not None:
                await host.remove(session)
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(RequestFailed("the gateway was closed"))
            self._subscribers.detach()
            if self._is_ours and host is not None:
                self._host = None
                host.strict_failure.cancel()
                await host.close()

    def _send(self, message: dict[str, Any]) -> None:
        if self._session is not None:
            self._session.receive(parse(msgspec.json.encode(message)))

    def _take(self, line: bytes) -> None:
        """A line of callmux: an answer. Nothing was declared that would let servers ask."""
        message = json.loads(line)
        answer = self._waiting.get(message.get("id"))
        if answer is not None and "method" not in message and not answer.done():
            answer.set_result(message)
