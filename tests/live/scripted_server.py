"""An MCP server that says exactly what a file tells it to, byte for byte.

    python scripted_server.py SCRIPT LOG [--deaf] [--grandchild]

The script is read anew for every message, so a test changes the server by changing the file:

    pages       the pages of `tools/list`: lists of tool definitions, each its JSON as a string
    result      members that stand beside `tools` in each page, as JSON
    answers     by tool name, the lines to write: `$ID` and `$TOKEN` stand for the id and the progress token
    delays      by tool name, milliseconds before the answer

A tool without an answer says its name and our process id; with an argument `size`, so many letters. The log
has one row per message: our process id and the line.
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

GREETING = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}, "logging": {}}}


def write(line: str) -> None:
    """Writes a whole line, however long."""
    data = memoryview(line.encode() + b"\n")
    while data:
        data = data[os.write(1, data) :]


class Server:
    def __init__(self, script: str) -> None:
        self._script = script
        self._out = threading.Lock()

    def say(self, *lines: str) -> None:
        with self._out:
            for line in lines:
                write(line)

    def script(self) -> dict[str, Any]:
        with open(self._script) as file:
            script: dict[str, Any] = json.load(file)
        return script

    def receive(self, message: dict[str, Any]) -> None:
        id, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if method == "initialize":
            about = {"serverInfo": {"name": "scripted", "version": "1"}}
            self.say(json.dumps({"jsonrpc": "2.0", "id": id, "result": GREETING | about}))
        elif method == "tools/list":
            self.say(f'{{"jsonrpc":"2.0","id":{id},"result":{self.page(params.get("cursor"))}}}')
        elif method == "tools/call":
            script, tool = self.script(), params["name"]
            delay = script.get("delays", {}).get(tool, 0) / 1000
            timer = threading.Timer(delay, self.answer, (id, tool, params, script))
            timer.daemon = True
            timer.start()
        elif id is not None and method is not None:
            self.say(json.dumps({"jsonrpc": "2.0", "id": id, "result": {}}))

    def page(self, cursor: str | None) -> str:
        script = self.script()
        number = int(cursor.removeprefix("page ")) if cursor is not None else 0
        pages = script["pages"]
        members = [f'"tools":[{",".join(pages[number])}]']
        if "result" in script:
            members.append(script["result"])
        if number + 1 < len(pages):
            members.append(f'"nextCursor":"page {number + 1}"')
        return "{" + ",".join(members) + "}"

    def answer(self, id: Any, tool: str, params: dict[str, Any], script: dict[str, Any]) -> None:
        token = json.dumps((params.get("_meta") or {}).get("progressToken"))
        plain = {"content": [{"type": "text", "text": f"{tool} {os.getpid()}"}]}
        lines = script.get("answers", {}).get(tool) or [
            f'{{"jsonrpc":"2.0","id":$ID,"result":{json.dumps(plain)}}}'
        ]
        if "size" in (params.get("arguments") or {}):
            text = "x" * params["arguments"]["size"]
            lines = [
                f'{{"jsonrpc":"2.0","id":$ID,"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}'
            ]
        self.say(*(line.replace("$ID", str(id)).replace("$TOKEN", token) for line in lines))


def main() -> None:
    script, log, *flags = sys.argv[1:]
    if "--grandchild" in flags:
        subprocess.Popen(
            ["/bin/sh", "-c", "/bin/sh -c \"trap '' TERM HUP INT; while :; do sleep 5; done\"; :"]
        )
    if "--deaf" in flags:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = Server(script)
    rows = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for line in sys.stdin.buffer:
        os.write(rows, b"%d %s\n" % (os.getpid(), line.strip()))
        server.receive(json.loads(line))
    while "--deaf" in flags:
        time.sleep(60)


if __name__ == "__main__":
    main()
