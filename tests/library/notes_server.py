"""A small MCP server with a tool `add` that says what it was given, one that waits, and one that fails."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

NAMES = ("add", "wait", "fail")
TOOLS = [
    {
        "name": name,
        "inputSchema": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "seconds": {"type": "number"}},
        },
    }
    for name in NAMES
]


def answer(method: str, params: Any) -> Any:
    if method == "initialize":
        about = {"name": "notes", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": TOOLS}
    arguments = params.get("arguments", {})
    if params["name"] == "wait":
        time.sleep(arguments.get("seconds", 0))
    text = json.dumps({"added": arguments.get("text")})
    return {"content": [{"type": "text", "text": text}], "isError": params["name"] == "fail"}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and message.get("method"):
        result = answer(message["method"], message.get("params", {}))
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
