"""A server whose every message a test writes itself, byte for byte, whatever carries it.

A `RawServer` knows no transport: `tests.interaction.carriers` gives each connection to it a `Peer`, which
takes lines and writes lines. A handler answers one method; what it says meanwhile belongs to that request, so
that a carrier with a stream for each request can send it there.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from .hearing import Hearing, request_line

Json = dict[str, Any]
Answer = bytes | str | Json


class Refusal(Exception):
    """A JSON-RPC error to answer with: its `error` member."""

    def __init__(self, error: Answer) -> None:
        super().__init__(error)
        self.error = error


def dump(body: Any) -> bytes:
    """The bytes of a body: as they are, or as compact JSON."""
    if isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body, separators=(",", ":")).encode()


class Call:
    """A request that the server received.

    Attributes:
        line: Its bytes.
        id, method, params: Its members.
        cancelled: Set once it is given up.
    """

    def __init__(self, peer: Peer, line: bytes, message: Json) -> None:
        self.peer = peer
        self.line = line
        self.id = message["id"]
        self.method = message["method"]
        self.params: Json = message.get("params") or {}
        self.cancelled = asyncio.Event()

    @property
    def token(self) -> Any:
        """Its progress token."""
        return self.params["_meta"]["progressToken"]

    def tell(self, method: str, params: Answer | None = None) -> None:
        """Sends a notification on behalf of this request."""
        self.peer.tell(method, params, about=self)

    async def ask(self, method: str, params: Answer | None = None, id: Any = None) -> Json:
        """Asks the client something on behalf of this request; gives the whole answer."""
        return await self.peer.ask(method, params, id=id, about=self)


Handler = Callable[[Call], Any]


class Peer(Hearing):
    """The server's end of one connection.

    Attributes:
        lines: Every line that came.
        calls: Every request that came, by method.
        answers: The raw line of each answer to our questions, by id.
        hang_up: Ends the connection, where the carrier can.
    """

    def __init__(self, server: RawServer, write: Callable[[bytes, Call | None], None]) -> None:
        super().__init__()
        self.server = server
        self.lines: list[bytes] = []
        self.calls: dict[str, list[Call]] = {}
        self.answers: dict[Any, bytes] = {}
        self.open = True
        self.hang_up: Callable[[], None] = lambda: None
        self._write = write
        self._waiting: dict[Any, asyncio.Future[Json]] = {}
        self._running: dict[Any, tuple[Call, asyncio.Task[None]]] = {}
        self._last = 0

    @property
    def greeting(self) -> Json:
        """The params of the `initialize` that came."""
        return self.calls["initialize"][0].params

    def write(self, line: bytes, about: Call | None = None) -> None:
        """Writes one line."""
        self._write(line, about)

    def tell(self, method: str, params: Answer | None = None, about: Call | None = None) -> None:
        body = b"" if params is None else b',"params":' + dump(params)
        self.write(b'{"jsonrpc":"2.0","method":%b%b}' % (dump(json.dumps(method)), body), about)

    async def ask(
        self, method: str, params: Answer | None = None, *, id: Any = None, about: Call | None = None
    ) -> Json:
        if id is None:
            self._last += 1
            id = f"q{self._last}"
        waiter = self._waiting[id] = asyncio.get_running_loop().create_future()
        self.write(request_line(id, method, None if params is None else dump(params)), about)
        answer: dict[str, Any] = await waiter
        return answer

    def receive(self, line: bytes) -> Call | None:
        """Takes one line; gives the request in it, where it is one."""
        self.lines.append(line)
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0", line
        try:
            if "method" not in message:
                self.answers[message["id"]] = line
                waiter = self._waiting.pop(message["id"], None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
                return None
            if "id" not in message:
                self.notes.append((message["method"], message.get("params")))
                if message["method"] == "notifications/cancelled":
                    self._cancel(message["params"]["requestId"])
                return None
            call = Call(self, line, message)
            self.calls.setdefault(call.method, []).append(call)
            self._running[call.id] = call, asyncio.get_running_loop().create_task(self._serve(call))
            return call
        finally:
            self.wake()

    async def asked(self, method: str, n: int = 1) -> Call:
        """The n-th request of this method."""
        found: list[Call] = await self.until(lambda p: p.calls.get(method, [])[n - 1 : n])
        return found[0]

    def _cancel(self, id: Any) -> None:
        if id in self._running:
            call, _ = self._running[id]
            call.cancelled.set()

    async def _serve(self, call: Call) -> None:
        try:
            handler = self.server.handlers.get(call.method)
            if handler is None:
                raise Refusal({"code": -32601, "message": f"no method {call.method}"})
            result = handler(call)
            if inspect.isawaitable(result):
                result = await result
            if result is not None:
                self.write(
                    b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (dump(json.dumps(call.id)), dump(result)), call
                )
        except Refusal as refusal:
            error = dump(refusal.error)
            self.write(b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (dump(json.dumps(call.id)), error), call)
        finally:
            self._running.pop(call.id, None)

    async def close(self) -> None:
        """Gives up what still runs."""
        self.open = False
        self.wake()
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _always(body: Answer, call: Call) -> Answer:
    return body


class RawServer:
    """A server.

    Args:
        name: Its key in the configuration.
        capabilities: What it declares.
        version: The revision it answers with; the one it is asked for where None.
        greeting: Further members of the answer to `initialize`.

    Attributes:
        handlers: What answers a method: a body, or a function of the call that gives one (None: no answer).
        peers: Every connection there has been, in order.
        streams: In memory, what is said on behalf of a request comes on a stream of its own, as over HTTP.
    """

    def __init__(
        self,
        name: str = "raw",
        *,
        capabilities: Json | None = None,
        version: str | None = None,
        greeting: Json | None = None,
    ) -> None:
        self.name = name
        self.capabilities = {"tools": {"listChanged": True}} if capabilities is None else capabilities
        self.version = version
        self.more = greeting or {}
        self.peers: list[Peer] = []
        self.streams = False
        self.handlers: dict[str, Handler] = {
            "initialize": self._greet,
            "ping": lambda call: {},
            "tools/list": lambda call: {"tools": []},
            "tools/call": self._call,
            "logging/setLevel": lambda call: {},
        }
        self.tools: dict[str, Handler] = {}
        self._joined: list[asyncio.Event] = []

    def __repr__(self) -> str:
        return f"RawServer({self.name!r}, {len(self.peers)} peers)"

    @property
    def peer(self) -> Peer:
        """Its last connection."""
        return self.peers[-1]

    def connect(self, write: Callable[[bytes, Call | None], None]) -> Peer:
        """A new connection, whose lines go to `write`."""
        peer = Peer(self, write)
        self.peers.append(peer)
        return peer

    def answers(self, method: str, body: Answer | Handler) -> RawServer:
        """What it answers to a method."""
        self.handlers[method] = body if callable(body) else lambda call: body
        return self

    def lists(self, kind: str, *items: Answer) -> RawServer:
        """What it lists, on one page: `tools`, `prompts`, `resources` or `resourceTemplates`."""
        method = "resources/templates/list" if kind == "resourceTemplates" else f"{kind}/list"
        return self.answers(method, b'{"%b":[%b]}' % (kind.encode(), b",".join(map(dump, items))))

    def has(self, **tools: Answer | Handler) -> RawServer:
        """Tools by name: what a call answers."""
        for name, body in tools.items():
            self.tools[name] = body if callable(body) else partial(_always, body)
        return self.lists(
            "tools", *({"name": name, "inputSchema": {"type": "object"}} for name in self.tools)
        )

    def _greet(self, call: Call) -> Json:
        asked = call.params["protocolVersion"]
        return {
            "protocolVersion": self.version or asked,
            "capabilities": self.capabilities,
            "serverInfo": {"name": self.name, "version": "1"},
            **self.more,
        }

    def _call(self, call: Call) -> Any:
        handler = self.tools.get(call.params["name"])
        if handler is None:
            raise Refusal({"code": -32602, "message": f"no tool {call.params['name']}"})
        return handler(call)

    async def close(self) -> None:
        for peer in self.peers:
            await peer.close()


def text(value: str, **more: Any) -> Json:
    """A tool result of one text."""
    return {"content": [{"type": "text", "text": value}], **more}


def running(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Starts something that a test awaits later."""
    return asyncio.get_running_loop().create_task(work)
