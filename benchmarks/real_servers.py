"""Fifty servers as people configure them, real ones from npm and PyPI. Used by the benchmarks.

`scripts/interop` fetches the programs. Each entry is a server of its own: another directory, memory,
repository or time zone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CACHE = Path(__file__).parent.parent / ".cache"
BARE = Path(__file__).with_name("server.py")
ZONES = ("Europe/Berlin", "Asia/Tokyo", "America/New_York", "UTC")


READS: dict[str, tuple[str, dict[str, Any]]] = {
    "memory": ("read_graph", {}),
    "npx": ("read_graph", {}),
    "filesystem": ("list_allowed_directories", {}),
    "everything": ("echo", {"message": "x"}),
    "time": ("get_current_time", {"timezone": "UTC"}),
    "bare": ("get_item", {"id": 1}),
}


def missing() -> list[str]:
    """The programs that are not here."""
    return [str(path) for path in (_node("everything"), _python("git")) if not path.exists()]


def fifty(folder: Path, count: int = 50) -> dict[str, Any]:
    """So many servers by name, in turns: filesystem, memory and everything (Node), git and time (Python).

    Args:
        folder: Where their files are.
    """
    kinds = (_filesystem, _memory, _git, _everything, _time)
    found = {}
    for n in range(count):
        kind = kinds[n % len(kinds)]
        found[f"{kind.__name__[1:]}{n // len(kinds) + 1}"] = kind(folder / f"s{n}", n)
    return found


def bare(folder: Path, count: int) -> dict[str, Any]:
    """So many of the benchmarks' own server, which needs nothing fetched."""
    args = [[str(BARE), "--tools", str(10 + n)] for n in range(count)]
    return {f"bare{n}": {"command": sys.executable, "args": args[n]} for n in range(count)}


def read_of(name: str, entry: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A call that changes nothing: the server's own tool, and its arguments."""
    kind = name.rstrip("0123456789")
    return ("git_status", {"repo_path": entry["args"][-1]}) if kind == "git" else READS[kind]


def _node(name: str) -> Path:
    return CACHE / "npm" / "node_modules" / ".bin" / f"mcp-server-{name}"


def _python(name: str) -> Path:
    return CACHE / "servers" / "bin" / f"mcp-server-{name}"


def _run_by_python(name: str, *args: str) -> dict[str, Any]:
    """Not by the first line of its script, which names the place where it was installed."""
    script = _python(name)
    return {"command": str(script.parent / "python"), "args": [str(script), *args]}


def _filesystem(place: Path, n: int) -> dict[str, Any]:
    place.mkdir(parents=True, exist_ok=True)
    return {"command": str(_node("filesystem")), "args": [str(place)]}


def _memory(place: Path, n: int) -> dict[str, Any]:
    place.mkdir(parents=True, exist_ok=True)
    return {"command": str(_node("memory")), "env": {"MEMORY_FILE_PATH": str(place / "memory.json")}}


def _everything(place: Path, n: int) -> dict[str, Any]:
    return {"command": str(_node("everything"))}


def _git(place: Path, n: int) -> dict[str, Any]:
    if not place.exists():
        place.mkdir(parents=True)
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(["git", "init", "-q", str(place)], check=True, env=env)
    return _run_by_python("git", "--repository", str(place))


def _time(place: Path, n: int) -> dict[str, Any]:
    return _run_by_python("time", "--local-timezone", ZONES[n % len(ZONES)])
