"""A recorded task: the calls an agent made of real servers, and what these answered.

Written by `replay.record`, answered from by `replay.server`, listed by `replay.ways`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TRACES = Path(__file__).with_name("traces")
SERVERS = TRACES / "servers.json"
"""What the servers list: `about` (name and version as they gave them) and `tools`, by server key."""

HOME = "/home/ada"
"""What the agent's home is called in every trace, wherever it was recorded."""
PROJECT = f"{HOME}/atlas"


def canonical(arguments: Mapping[str, Any]) -> str:
    """Arguments in one spelling, whatever the order of their keys."""
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a task: a server's key, the tool's own name, its arguments."""

    server: str
    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Recording:
    """One trace.

    Attributes:
        task: Its name, and that of its file.
        calls: In the order they were made: `server`, `tool`, `arguments`, `result`.
    """

    task: str
    calls: list[dict[str, Any]] = field(default_factory=list)

    def save(self) -> None:
        lines = [json.dumps(call, ensure_ascii=False) for call in self.calls]
        text = f'{{"task": "{self.task}", "calls": [\n' + ",\n".join(lines) + "\n]}\n"
        file_of(self.task).write_text(text, "utf-8")

    @classmethod
    def load(cls, task: str) -> Recording:
        return cls(**json.loads(file_of(task).read_text("utf-8")))


def listings(servers: Path = SERVERS) -> dict[str, Any]:
    """The servers of all traces, see `SERVERS`."""
    found: dict[str, Any] = json.loads(servers.read_text("utf-8"))
    return found


def file_of(task: str) -> Path:
    """Where the trace of a task is kept."""
    return TRACES / f"{task}.json"
