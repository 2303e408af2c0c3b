"""An MCP server that writes down every effect it has, one JSON line each: what was done, and with what.

    python effects_server.py FILE

`read`, `write` and `destroy` say in their annotations what they are; so do a prompt and a resource.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

HINTS = {
    "read": {"readOnlyHint": True},
    "write": {"destructiveHint": False},
    "destroy": {"destructiveHint": True},
}
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}}


def main() -> None:
    effects = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str, token: object) -> None:
        os.write(effects, json.dumps([what, token]).encode() + b"\n")

    def result_of(method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
                "serverInfo": {"name": "effects", "version": "1"},
            }
        if method == "tools/list":
            return {
                "tools": [
                    {"name": name, "inputSchema": SCHEMA, "annotations": hints}
                    for name, hints in HINTS.items()
                ]
            }
        if method == "prompts/list":
            return {"prompts": [{"name": "hello", "arguments": [{"name": "word"}]}]}
        if method == "resources/list":
            return {"resources": [{"uri": "eff:///one", "name": "one"}]}
        if method == "resources/templates/list":
            return {"resourceTemplates": []}
        if method == "tools/call":
            token = params.get("arguments", {}).get("word")
            note(params["name"], token)
            return {"content": [{"type": "text", "text": json.dumps({"word": token})}]}
        if method == "prompts/get":
            note("prompt", params["arguments"]["word"])
            return {"messages": [{"role": "user", "content": {"type": "text", "text": "hello"}}]}
        if method == "resources/read":
            note("resource", params["uri"])
            return {"contents": [{"uri": params["uri"], "text": "one"}]}
        return {}

    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" in message and "method" in message:
            result = result_of(message["method"], message.get("params", {}))
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
