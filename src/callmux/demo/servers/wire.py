"""The stdio side of an example server: handshake, listing, delayed answers. Called by `tracker` and `notes`.

One thread and one loop: a call is answered when its delay is over, so that any number can be in flight, as
behind a real network.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

REVISIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
PREFERRED = "2025-06-18"

_TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool}


class ToolError(Exception):
    """A call that fails, with the text the model is to read."""


class Tool(NamedTuple):
    """One tool: its name and text, the properties of its input, which of them must be there, what it does."""

    name: str
    description: str
    properties: dict[str, dict[str, Any]]
    required: list[str]
    run: Callable[[dict[str, Any]], object]
    read_only: bool = True

    def definition(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it."""
        return {
            "name": self.name,
            "description": self.description,
            "inputSchema": {"type": "object", "properties": self.properties, "required": self.required},
            "annotations": {
                "title": self.name.replace("_", " ").capitalize(),
                "readOnlyHint": self.read_only,
                "destructiveHint": False,
                "openWorldHint": False,
            },
        }

    def check(self, arguments: dict[str, Any]) -> None:
        """Raises `ToolError` where `arguments` do not fit the input schema."""
        for key in self.required:
            if key not in arguments:
                raise ToolError(f"{self.name}: {key} is required")
        for key, value in arguments.items():
            if key not in self.properties:
                raise ToolError(
                    f"{self.name}: there is no argument {key}; there are {', '.join(self.properties)}"
                )
            wanted = self.properties[key]["type"]
            if not isinstance(value, _TYPES[wanted]) or (wanted == "integer" and isinstance(value, bool)):
                raise ToolError(f"{self.name}: {key} must be of type {wanted}")


class _Refused(Exception):
    """A request that gets a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class DemoServer:
    """Answers one client.

    Args:
        name: The server's name in the handshake.
        tools: What it offers.
        delay: Seconds between a call and its answer.
    """

    def __init__(self, name: str, tools: Sequence[Tool], delay: float) -> None:
        self._name = name
        self._tools = {tool.name: tool for tool in tools}
        self._delay = delay
        self._order = 0
        self._due: list[tuple[float, int, object, dict[str, Any]]] = []

    def serve(self) -> None:
        """Reads requests until standard input ends, and answers what is still open then."""
        buffer = b""
        ended = False
        try:
            while not ended or self._due:
                wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
                if ended:
                    time.sleep(wait or 0)
                elif select.select([0], [], [], wait)[0]:
                    data = os.read(0, 1 << 16)
                    ended = not data
                    *lines, buffer = (buffer + data).split(b"\n")
                    for line in lines:
                        self._receive(line)
                self._answer_due()
        except (BrokenPipeError, KeyboardInterrupt):
            pass

    def _receive(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            self._send({"id": None, "error": {"code": -32700, "message": "that line is not JSON"}})
            return
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            if not isinstance(message, dict) or not ("result" in message or "error" in message):
                self._send({"id": None, "error": {"code": -32600, "message": "that is no JSON-RPC request"}})
            return
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        if "id" not in message:
            if message["method"] == "notifications/cancelled":
                self._due = [entry for entry in self._due if entry[2] != params.get("requestId")]
                heapq.heapify(self._due)
            return
        try:
            self._request(message["id"], message["method"], params)
        except _Refused as refused:
            self._send({"id": message["id"], "error": {"code": refused.code, "message": str(refused)}})

    def _request(self, key: object, method: str, params: dict[str, Any]) -> None:
        if method == "initialize":
            asked = params.get("protocolVersion")
            result: dict[str, Any] = {
                "protocolVersion": asked if asked in REVISIONS else PREFERRED,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": self._name, "version": "1.0.0"},
            }
            self._send({"id": key, "result": result})
        elif method == "ping":
            self._send({"id": key, "result": {}})
        elif method == "tools/list":
            self._send({"id": key, "result": {"tools": [tool.definition() for tool in self._tools.values()]}})
        elif method == "tools/call":
            if params.get("name") not in self._tools:
                raise _Refused(-32602, f"there is no tool {params.get('name')!r}")
            self._order += 1
            heapq.heappush(self._due, (time.monotonic() + self._delay, self._order, key, params))
        else:
            raise _Refused(-32601, f"the method {method} is not offered")

    def _answer_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, key, params = heapq.heappop(self._due)
            self._send({"id": key, "result": self._run(self._tools[params["name"]], params.get("arguments"))})

    def _run(self, tool: Tool, arguments: object) -> dict[str, Any]:
        try:
            if not isinstance(arguments, dict | None):
                raise ToolError(f"{tool.name}: the arguments must be an object")
            tool.check(arguments or {})
            text = json.dumps(tool.run(arguments or {}), ensure_ascii=False, separators=(",", ":"))
        except ToolError as error:
            return {"content": [{"type": "text", "text": str(error)}], "isError": True}
        return {"content": [{"type": "text", "text": text}]}

    def _send(self, message: dict[str, Any]) -> None:
        # Plain ASCII: a text may hold half an emoji, which UTF-8 cannot carry and an escape can.
        data = json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]


def option(name: str, default: str) -> str:
    """The value after `name` on the command line."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv[:-1] else default


def number(name: str, default: int) -> int:
    """The whole number after `name` on the command line, 0 or more; anything else ends the process."""
    text = option(name, str(default))
    if not text.isdecimal():
        raise SystemExit(f"{name} must be a whole number, not {text!r}")
    return int(text)
