"""An MCP server on stdio that answers as a recorded one did.

    python server.py LISTING SERVER [TRACE]

LISTING has a list of tools, or servers with their lists, by key; TRACE is a recording (`replay.recording`). A
call that was made more than once is answered in the recorded order; one that was not made is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from replay.recording import canonical


class Replay:
    """The answers of one server."""

    def __init__(self, tools: list[Any], calls: list[dict[str, Any]]) -> None:
        self._tools = tools
        self._answers: dict[tuple[str, str], list[Any]] = {}
        for call in calls:
            key = call["tool"], canonical(call["arguments"])
            self._answers.setdefault(key, []).append(call["result"])

    def result(self, method: str, params: dict[str, Any]) -> Any:
        if method == "initialize":
            about = {"name": "replay", "version": "1"}
            capabilities: dict[str, Any] = {"tools": {}}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": capabilities, "serverInfo": about}
        if method == "tools/list":
            return {"tools": self._tools}
        if method == "tools/call":
            key = params["name"], canonical(params.get("arguments") or {})
            answers = self._answers.get(key)
            if not answers:
                text = f"not in the recording: {key[0]} {key[1]}"
                return {"content": [{"type": "text", "text": text}], "isError": True}
            return answers.pop(0) if len(answers) > 1 else answers[0]
        return {}


def main() -> None:
    listing = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    tools = listing if isinstance(listing, list) else listing[sys.argv[2]]["tools"]
    calls = json.loads(Path(sys.argv[3]).read_text("utf-8"))["calls"] if len(sys.argv) > 3 else []
    replay = Replay(tools, [call for call in calls if call["server"] == sys.argv[2]])
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            result = replay.result(message["method"], message.get("params") or {})
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": result}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
