"""A server that asks and logs when it is too late, and that floods its own stdout and stderr.

    python late_server.py LEDGER

`late {token, end, ms}` is answered at once (`end` "answer") or never ("silence"); `ms` later the server asks
the client, logs, and reports progress, each with the token, and writes a row `asked token` into the ledger.
`timely` asks first and answers then. `noise` writes what is no message to stdout, `complain` to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

Json = dict[str, Any]
ANSWER_SECONDS = 2.0
NOISE = b"log\n" * 50_000 + b"[" * 2_000_000 + b"\n" + b"{" * 100_000 + b"\n"
COMPLAINT = b"e" * 200 + b"\n"
COMPLAINTS = 20_000
NAMES = ("read", "late", "timely", "noise", "complain")


class Server:
    """The server and its ledger."""

    def __init__(self, ledger: str) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._out = threading.Lock()
        self._asked = 0
        self._answered: dict[str, threading.Event] = {}

    def say(self, message: Json) -> None:
        self._write(1, json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def _write(self, to: int, data: bytes) -> None:
        with self._out:
            while data:
                data = data[os.write(to, data) :]

    def serve(self) -> None:
        """Answers until stdin ends."""
        for line in sys.stdin.buffer:
            message = json.loads(line)
            id, method = message.get("id"), message.get("method")
            if method is None:
                answered = self._answered.get(str(id))
                if answered is not None:
                    answered.set()
            elif method == "initialize":
                version = message["params"]["protocolVersion"]
                about = {"name": "late", "version": "1"}
                offered: Json = {"tools": {}, "logging": {}}
                self.say(
                    {
                        "id": id,
                        "result": {"protocolVersion": version, "capabilities": offered, "serverInfo": about},
                    }
                )
            elif method == "tools/list":
                tools = [{"name": name, "inputSchema": {"type": "object"}} for name in NAMES]
                tools[0]["annotations"] = {"readOnlyHint": True}
                self.say({"id": id, "result": {"tools": tools}})
            elif method == "tools/call":
                threading.Thread(target=self.call, args=(id, message["params"]), daemon=True).start()
            elif id is not None:
                self.say({"id": id, "result": {}})

    def call(self, id: Any, params: Json) -> None:
        tool, arguments = params["name"], params["arguments"]
        token, seconds = arguments["token"], arguments.get("ms", 0) / 1000
        os.write(self._ledger, f"begin {token}\n".encode())
        if tool == "late":
            if arguments["end"] == "answer":
                self.answer(id)
            time.sleep(seconds)
            self.ask(token, params.get("_meta", {}).get("progressToken"))
            os.write(self._ledger, f"asked {token}\n".encode())
            return
        if tool == "noise":
            self._write(1, NOISE)
        elif tool == "complain":
            for _ in range(COMPLAINTS):
                os.write(2, COMPLAINT)
        elif tool == "timely":
            for answered in self.ask(token, params.get("_meta", {}).get("progressToken")):
                answered.wait(ANSWER_SECONDS)
            os.write(self._ledger, f"asked {token}\n".encode())
        else:
            time.sleep(seconds)
        self.answer(id)

    def answer(self, id: Any) -> None:
        self.say({"id": id, "result": {"content": [{"type": "text", "text": str(os.getpid())}]}})

    def ask(self, token: str, progress: Any) -> list[threading.Event]:
        """Everything a server may say on its own; gives what is set once the questions are answered."""
        self.say({"method": "notifications/message", "params": {"level": "error", "data": token}})
        if progress is not None:
            self.say(
                {
                    "method": "notifications/progress",
                    "params": {"progressToken": progress, "progress": 1, "message": token},
                }
            )
        schema = {"type": "object", "properties": {}}
        text = {"role": "user", "content": {"type": "text", "text": token}}
        questions: list[tuple[str, Json]] = [
            ("elicitation/create", {"message": token, "requestedSchema": schema}),
            ("sampling/createMessage", {"messages": [text], "maxTokens": 1}),
        ]
        waits = []
        for method, params in questions:
            with self._out:
                self._asked += 1
                key = f"q{self._asked}"
            waits.append(self._answered.setdefault(key, threading.Event()))
            self.say({"id": key, "method": method, "params": params})
        return waits


if __name__ == "__main__":
    Server(sys.argv[1]).serve()
