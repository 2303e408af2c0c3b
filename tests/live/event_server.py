"""An MCP server on stdio with events (a draft of 2026) that clients ask for now and then.

    python event_server.py [--modern]

Its events are numbered; a cursor says how many were seen.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

REVISION = "2026-07-28"
ABLE: dict[str, Any] = {"tools": {}, "events": {"listChanged": True}}
EVENT = {"name": "mail", "delivery": ["push", "poll"], "inputSchema": {"type": "object"}}


def answer(method: str, params: Any, *, modern: bool) -> dict[str, Any] | None:
    hints = {"ttlMs": 0, "cacheScope": "private"}
    if method == "server/discover" and modern:
        return {"supportedVersions": [REVISION], "capabilities": ABLE, **hints}
    if method == "initialize" and not modern:
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": ABLE,
            "serverInfo": {"name": "e", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [], **(hints if modern else {})}
    if method == "events/list":
        return {"events": [EVENT]}
    if method == "events/poll" and params["name"] == "mail":
        seen = int(params.get("cursor") or 0)
        event = {"eventId": f"{os.getpid()} {seen}", "name": "mail", "data": params.get("arguments")}
        return {"events": [event], "cursor": str(seen + 1), "nextPollMs": 1000}
    return None


if __name__ == "__main__":
    modern = "--modern" in sys.argv
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        found = answer(asked["method"], asked.get("params"), modern=modern)
        end: dict[str, Any] = {"error": {"code": -32601, "message": "no such method"}}
        if found is not None:
            end = {"result": {**({"resultType": "complete"} if modern else {}), **found}}
        os.write(1, json.dumps({"jsonrpc": "2.0", "id": asked["id"], **end}).encode() + b"\n")
