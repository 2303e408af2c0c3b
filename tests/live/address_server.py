"""An MCP server on stdio that sends a person to an address before it takes a call.

    python address_server.py [--modern] DONE

By MCP 2025-11-25 it refuses the call with an error that names the address until the file DONE is there, and
then says that the visit is over; with `--modern` it speaks 2026-07-28 alone and asks in the middle of the
call.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

REVISION = "2026-07-28"
INFO = {"name": "addresses", "version": "1"}
ADDRESS = {"mode": "url", "url": "https://example.com/key", "message": "enter your key"}


class Server:
    def __init__(self, done: str, *, modern: bool) -> None:
        self._done, self._modern = done, modern
        self._out = threading.Lock()
        self._visits = 0

    def say(self, message: Any) -> None:
        with self._out:
            os.write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def receive(self, message: dict[str, Any]) -> None:
        id, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if id is None or method is None:
            return
        about: dict[str, Any] = {}
        if self._modern:
            about = {"resultType": "complete", "_meta": {"io.modelcontextprotocol/serverInfo": INFO}}
        if method == "server/discover" and self._modern:
            told = {"supportedVersions": [REVISION], "capabilities": {"tools": {}}, "ttlMs": 0}
            self.say({"id": id, "result": {**told, "cacheScope": "private", **about}})
        elif method == "initialize" and not self._modern:
            told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": INFO}
            self.say({"id": id, "result": told})
        elif method == "tools/list":
            tools = [{"name": "paid", "inputSchema": {"type": "object"}}]
            hints = {"ttlMs": 0, "cacheScope": "private"} if self._modern else {}
            self.say({"id": id, "result": {"tools": tools, **hints, **about}})
        elif method == "tools/call":
            self.call(id, params, about)
        elif method == "ping":
            self.say({"id": id, "result": {}})
        else:
            self.say({"id": id, "error": {"code": -32601, "message": f"no {method}"}})

    def call(self, id: Any, params: Any, about: Any) -> None:
        if self._modern:
            answered = params.get("inputResponses", {}).get("key")
            if answered is None:
                questions = {"key": {"method": "elicitation/create", "params": ADDRESS}}
                asked = {"resultType": "input_required", "inputRequests": questions, "requestState": "s"}
                self.say({"id": id, "result": {**asked, "_meta": about["_meta"]}})
                return
            text = f"{answered['action']} {params.get('requestState')}"
        elif not os.path.exists(self._done):
            self._visits += 1
            name = f"visit {self._visits}"
            named = {"elicitations": [{**ADDRESS, "elicitationId": name}]}
            self.say({"id": id, "error": {"code": -32042, "message": "a key is needed", "data": named}})
            threading.Thread(target=self.wait, args=(name,), daemon=True).start()
            return
        else:
            text = "paid"
        self.say({"id": id, "result": {"content": [{"type": "text", "text": text}], **about}})

    def wait(self, visit: str) -> None:
        while not os.path.exists(self._done):
            time.sleep(0.02)
        told = {"elicitationId": visit}
        self.say({"method": "notifications/elicitation/complete", "params": told})


if __name__ == "__main__":
    *options, done = sys.argv[1:]
    server = Server(done, modern="--modern" in options)
    for line in sys.stdin:
        server.receive(json.loads(line))
