"""A server with relatives of every kind: in its group, in sessions of their own, deaf, and without a parent.

Its only tool, `pids`, tells its process id, that of its parent and its family, which its relatives have in
their environment beside their roles. `--alone` is for one without any: those in a real container end with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
from typing import Any

FAMILY, ROLE = "CALLMUX_TEST_FAMILY", "CALLMUX_TEST_ROLE"
TOOL = {"name": "pids", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


def relative(role: str, family: str, *, deaf: bool) -> None:
    """Starts one relative, which sleeps."""
    if os.fork() != 0:
        return
    if role != "grandchild":
        os.setsid()
    if role == "daemon" and os.fork() != 0:
        os._exit(0)
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.execve("/bin/sleep", ["sleep", "600"], {**os.environ, FAMILY: family, ROLE: role})


def answer(message: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    match message["method"]:
        case "initialize":
            about = {"name": "family", "version": "1"}
            version = message["params"]["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            return {"content": [{"type": "text", "text": json.dumps(facts)}]}
    return {}


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    family = uuid.uuid4().hex
    if "--alone" not in sys.argv:
        for role in ("grandchild", "session", "daemon"):
            for deaf in (False, True):
                relative(role, family, deaf=deaf)
    facts = {"pid": os.getpid(), "parent": os.getppid(), "family": family}
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            said = {"jsonrpc": "2.0", "id": message["id"], "result": answer(message, facts)}
            print(json.dumps(said), flush=True)
    while "--deaf" in sys.argv:
        signal.pause()


if __name__ == "__main__":
    main()
