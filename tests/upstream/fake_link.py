"""An MCP server in memory, at the end of a link: it answers from a script and says what it is told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from callmux.protocol.jsonrpc import parse
from callmux.upstream.failures import CallFailure, lost
from callmux.upstream.links.link import Listener

INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "fake"}}
SILENCE = object()
"""As an answer: none."""


class FakeLink:
    """One link to one scripted server.

    Args:
        script: Answer by method: a result, an exception as JSON-RPC error, a function of the params, or
            `SILENCE`. What is missing is refused as unknown.

    Attributes:
        heard: What was sent to it: method and params of requests and notifications, ids of answers.
        opening: What `open` does first: an exception to raise, or an awaitable.
    """

    transport = "fake"

    def __init__(self, **script: Any) -> None:
        self.script: dict[str, Any] = {
            "initialize": INITIALIZE,
            "ping": {},
            "tools/list": {"tools": [{"name": "t"}]},
            **{name.replace("__", "/"): answer for name, answer in script.items()},
        }
        self.heard: list[tuple[str, Any]] = []
        self.lasts: list[bool] = []
        self.ids: dict[str, int] = {}
        self.versions: list[str] = []
        self.abandoned: list[int] = []
        self.closed = 0
        self.opening: Any = None
        self.closing: Any = None
        self.listener: Listener | None = None

    async def open(self, listener: Listener) -> None:
        if isinstance(self.opening, BaseException):
            raise self.opening
        if self.opening is not None:
            await self.opening
        self.listener = listener

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        message = json.loads(line)
        if "method" not in message:
            self.heard.append(("answer", message))
            return
        self.heard.append((message["method"], message.get("params")))
        if "id" not in message:
            assert id is None
            return
        self.lasts.append(last)
        self.ids[message["method"]] = message["id"]
        answer = self.script.get(message["method"], KeyError(message["method"]))
        if callable(answer):
            answer = answer(message.get("params"))
        if answer is SILENCE:
            return
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        if isinstance(answer, KeyError):
            reply["error"] = {"code": -32601, "message": f"unknown: {answer.args[0]}"}
        elif isinstance(answer, Exception):
            reply["error"] = {"code": -1, "message": str(answer)}
        else:
            reply["result"] = answer
        self.says_soon(reply)

    def says_soon(self, message: Any) -> None:
        """`says`, in another turn of the loop."""
        asyncio.get_running_loop().call_soon(self.says, message)

    def says(self, message: Any, about: int | None = None) -> None:
        """A message of the server's; bytes go as they are."""
        if self.listener is not None and not self.closed:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.listener.received(parse(line), about)

    def answers(self, method: str, result: Any) -> None:
        """The late answer to the last request of that method."""
        self.says({"id": self.ids[method], "result": result})

    def dies(self, reason: str = "the server ended") -> None:
        """The link ends by itself."""
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.lost(lost(reason, started=True))

    def fails(self, id: int, failure: CallFailure) -> None:
        """One request fails on its way."""
        if self.listener is not None:
            self.listener.failed(id, failure)

    def agreed(self, protocol_version: str) -> None:
        self.versions.append(protocol_version)

    def abandon(self, id: int) -> None:
        self.abandoned.append(id)

    async def close(self) -> None:
        self.closed += 1
        self.listener = None
        if self.closing is not None:
            await self.closing()

    def methods(self) -> list[str]:
        return [method for method, _ in self.heard]
