"""An MCP server that writes down every effect it has, and that can be made to fail in every way.

    python ledger_server.py LEDGER [--grandchild] [--deaf] [--down FILE]

A row of the ledger is `what token pid time`: `begin` when a call arrives, `done` once its effect is there.
`--grandchild` starts a shell that starts a process that ignores SIGTERM. `--deaf` goes on when stdin ends and
ignores SIGTERM. While the file of `--down` exists, the server ends before it has said anything.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {"token": TEXT, "ms": {"type": "integer"}},
    "required": ["token"],
}
TOOLS: dict[str, dict[str, Any]] = {
    "write": {},
    "put": {"annotations": {"idempotentHint": True}},
    "read": {"annotations": {"readOnlyHint": True}},
    "slow": {},
    "slow_read": {"annotations": {"readOnlyHint": True}},
    "hang": {},
    "crash_before": {},
    "crash_after": {},
    "crash_once": {"annotations": {"readOnlyHint": True}},
}
"""`hang` stops the whole server; `slow` waits `ms` before its effect; `crash_once` crashes once per token."""


class Server:
    """The server and its ledger."""

    def __init__(self, ledger: str) -> None:
        self._path = ledger
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._out = threading.Lock()
        self._hung = threading.Event()

    def note(self, what: str, token: str) -> None:
        """One row, in one write: nothing is half written, whoever kills us."""
        os.write(self._ledger, f"{what} {token} {os.getpid()} {time.time():.6f}\n".encode())

    def answer(self, id: Any, result: Any) -> None:
        with self._out:
            os.write(1, json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode() + b"\n")

    def serve(self) -> None:
        """Answers until stdin ends."""
        for line in sys.stdin.buffer:
            if self._hung.is_set():
                threading.Event().wait()
            message = json.loads(line)
            id, method = message.get("id"), message.get("method")
            if method == "initialize":
                version = message["params"]["protocolVersion"]
                about = {"name": "ledger", "version": "1"}
                self.answer(
                    id, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
                )
            elif method == "tools/list":
                tools = [{"name": name, "inputSchema": SCHEMA, **more} for name, more in TOOLS.items()]
                self.answer(id, {"tools": tools})
            elif method == "tools/call":
                params = message["params"]
                work = threading.Thread(
                    target=self.call, args=(id, params["name"], params["arguments"]), daemon=True
                )
                work.start()
            elif id is not None:
                self.answer(id, {})

    def call(self, id: Any, tool: str, arguments: dict[str, Any]) -> None:
        token = arguments["token"]
        self.note("begin", token)
        if tool == "hang":
            self._hung.set()
            return
        if tool == "crash_before":
            os._exit(3)
        if tool == "crash_once" and self.begun(token) == 1:
            os._exit(3)
        time.sleep(arguments.get("ms", 0) / 1000)
        if self._hung.is_set():
            return
        self.note("done", token)
        if tool == "crash_after":
            os._exit(3)
        facts = {"token": token, "pid": os.getpid(), "ppid": os.getppid()}
        self.answer(id, {"content": [{"type": "text", "text": json.dumps(facts)}]})

    def begun(self, token: str) -> int:
        with open(self._path) as rows:
            return sum(row.startswith(f"begin {token} ") for row in rows)


def main() -> None:
    ledger, *flags = sys.argv[1:]
    if "--down" in flags and os.path.exists(flags[flags.index("--down") + 1]):
        sys.exit(4)
    if "--grandchild" in flags:
        # As npx does: a shell between, and the process that matters behind it.
        subprocess.Popen(
            ["/bin/sh", "-c", "/bin/sh -c \"trap '' TERM HUP INT; while :; do sleep 5; done\"; :"]
        )
    if "--deaf" in flags:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Server(ledger).serve()
    while "--deaf" in flags:
        time.sleep(60)


if __name__ == "__main__":
    main()
