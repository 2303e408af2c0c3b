"""An MCP server on stdio that asks its client in the middle of a call.

    python asking_server.py handshake|modern LOG

`handshake` knows the revisions with `initialize` and asks by itself; `modern` knows 2026-07-28 alone and
answers with its question. Its tools are `look`, which only reads, and `change`. The log has one row for each
call that began and for each that is done. Standard library only, and no part of callmux.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

Json = dict[str, Any]

FORM: Json = {
    "mode": "form",
    "message": "Which one?",
    "requestedSchema": {"type": "object", "properties": {"one": {"type": "string"}}, "required": ["one"]},
}
TOOLS: list[Json] = [
    {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": "change", "inputSchema": {"type": "object"}},
]
INFO = {"name": "asking", "version": "1"}


class Server:
    """One connection.

    Args:
        modern: Whether it knows 2026-07-28 alone.
        log: Where its rows go.
    """

    def __init__(self, modern: bool, log: str) -> None:
        self._modern = modern
        self._rows = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._out = threading.Lock()
        self._open: dict[str, tuple[int, str]] = {}

    def say(self, **message: Any) -> None:
        with self._out:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
            sys.stdout.flush()

    def note(self, what: str, tool: str) -> None:
        os.write(self._rows, f"{what} {tool}\n".encode())

    def result(self, id: Any, **result: Any) -> None:
        told = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": INFO}}
        self.say(id=id, result={**(told if self._modern else {}), **result})

    def receive(self, message: Json) -> None:
        id, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if method is None:
            self._answered(message)
        elif method == "server/discover" and self._modern:
            kept = {"ttlMs": 0, "cacheScope": "public"}
            self.result(id, supportedVersions=["2026-07-28"], capabilities={"tools": {}}, **kept)
        elif method == "initialize" and not self._modern:
            about = {"capabilities": {"tools": {}}, "serverInfo": INFO}
            self.result(id, protocolVersion=params["protocolVersion"], **about)
        elif method == "tools/list":
            self.result(id, tools=TOOLS, **({"ttlMs": 0, "cacheScope": "public"} if self._modern else {}))
        elif method == "tools/call":
            self._call(id, params)
        elif method == "ping":
            self.result(id)
        elif id is not None:
            self.say(id=id, error={"code": -32601, "message": f"method not found: {method}"})

    def _call(self, id: Any, params: Json) -> None:
        tool = params["name"]
        if "inputResponses" in params:
            self._done(id, tool, params["inputResponses"]["which"])
            return
        self.note("begin", tool)
        if self._modern:
            asked = {"which": {"method": "elicitation/create", "params": FORM}}
            told = {"resultType": "input_required", "inputRequests": asked, "requestState": tool}
            self.say(id=id, result=told)
        else:
            question = f"q{id}"
            self._open[question] = id, tool
            self.say(id=question, method="elicitation/create", params=FORM)

    def _answered(self, message: Json) -> None:
        if message["id"] in self._open:
            self._done(*self._open.pop(message["id"]), message.get("result"))

    def _done(self, id: Any, tool: str, said: Any) -> None:
        self.note("done", tool)
        self.result(id, content=[{"type": "text", "text": f"{tool}: {json.dumps(said)}"}])


def main() -> None:
    era, log = sys.argv[1:]
    server = Server(era == "modern", log)
    for line in sys.stdin:
        server.receive(json.loads(line))


if __name__ == "__main__":
    main()
