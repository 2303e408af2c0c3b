"""Who holds a port that we were to listen on. Asks it over HTTP, and looks into `/proc` where there is one.

Called by `callmux.cli.listen` when the port cannot be had.
"""

from __future__ import annotations

import http.client
import json
import os
from contextlib import suppress
from pathlib import Path

SECONDS = 1.0
MOST_BYTES = 65536


def occupant(host: str, port: int) -> str:
    """Such as `callmux 0.1.0 (pid 23390)` or `python3 (pid 17)`; empty where nobody can tell."""
    return _callmux(host, port) or _process(port)


def _callmux(host: str, port: int) -> str:
    """What `/health` says of itself, where a callmux answers."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        facts = json.loads(connection.getresponse().read(MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    finally:
        connection.close()
    if not isinstance(facts, dict) or "sessions" not in facts or "status" not in facts:
        return ""
    version, pid = facts.get("version"), facts.get("pid")
    return f"callmux {version or '(another version)'}" + (f" (pid {pid})" if isinstance(pid, int) else "")


def _process(port: int) -> str:
    """The process that listens on a port, where Linux lets us see it: one of our own."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    if not sockets:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in sockets:
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _listening(table: str, port: int) -> list[str]:
    """The inodes of the sockets that listen on a port."""
    try:
        lines = (Path("/proc/net") / table).read_text().splitlines()[1:]
    except OSError:
        return []
    fields = [line.split() for line in lines]
    ending = f":{port:04X}"
    return [field[9] for field in fields if field[1].endswith(ending) and field[3] == "0A"]
