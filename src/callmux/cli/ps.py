"""`callmux ps`: the servers of every callmux that runs, their processes and memory, and who uses them.

Called by `callmux.cli.main`. It asks the processes of this user through `callmux.cli.running`; memory is what
the system says of their process groups.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json
from callmux.cli.grammar.ps import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.running import answers_of, places_of
from callmux.errors import NotSupported

SECONDS = 5.0
"""How long an answer may take."""
HEAD = ("CALLMUX", "SERVER", "STATE", "FOR", "PID", "MB", "SESSIONS", "CALLS", "IDLE")


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code: 1 where nothing runs."""
    given = read(COMMANDS[0], args)
    if sys.platform == "win32":
        raise NotSupported("ps needs Unix sockets: use top --url with a listener whose dashboard is on")
    found = answers_of(places_of(config_option, dict(os.environ)), {"method": "ps"}, SECONDS)
    memory = group_memory()
    for answer in found.values():
        for server in answer.get("servers", ()):
            for connection in server.get("connections", ()):
                if connection.get("pid") in memory:
                    connection["memoryBytes"] = memory[connection["pid"]]
    if given.on("--json"):
        print_json({"processes": [found[pid] for pid in sorted(found)]})
    elif not found:
        print("No callmux runs here.", file=sys.stderr)
    else:
        print("\n".join(table([row for pid in sorted(found) for row in rows(pid, found[pid])])))
    return 0 if found else 1


def group_memory() -> dict[int, int]:
    """Bytes in memory by process group; empty where the system does not tell."""
    return from_proc(Path("/proc")) or from_ps()


def from_proc(proc: Path) -> dict[int, int]:
    """The same from Linux itself: every system has it, and not every one has `ps`."""
    held: Counter[int] = Counter()
    for place in proc.glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name of the program, in brackets, may hold anything.
            words = place.read_text("utf-8", "replace").rpartition(")")[2].split()
            held[int(words[2])] += int(words[21]) * os.sysconf("SC_PAGE_SIZE")
    return dict(held)


def from_ps() -> dict[int, int]:
    """The same from the program `ps`."""
    import subprocess

    try:
        told = subprocess.run(
            ["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    held: Counter[int] = Counter()
    for line in told.stdout.splitlines():
        words = line.split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            held[int(words[0])] += int(words[1]) * 1024
    return dict(held)


def rows(pid: int, answer: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The lines of one callmux: one for each process of each server, or one for a server without any."""
    found: list[tuple[str, ...]] = []
    for server in answer.get("servers", ()):
        about = str(pid), str(server.get("name")), str(server.get("state"))
        for one in server.get("connections", ()):
            memory = one.get("memoryBytes")
            found.append(
                (
                    *about,
                    str(one.get("for")),
                    str(one.get("pid") or "-"),
                    "-" if memory is None else f"{memory / 1e6:.0f}",
                    str(one.get("sessions")),
                    str(one.get("calls")),
                    f"{one['idleSeconds']} s" if "idleSeconds" in one else "-",
                )
            )
        if not server.get("connections"):
            found.append((*about, *"------"))
    return found


def table(found: list[tuple[str, ...]]) -> list[str]:
    """Rows under their heads, in columns."""
    lines = [HEAD, *found]
    widths = [max(len(line[n]) for line in lines) for n in range(len(HEAD))]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
