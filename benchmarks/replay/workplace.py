"""A fresh copy of what a task works on, and real servers on it. Used by `replay.record` and `replay.agent`.

Needs git, Node.js and `scripts/interop`; Backlog.md beside its servers:
`npm install --prefix .cache/recording backlog.md@1.52.0`.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from replay.tasks import issue_triage

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
REVISION = "9b91f3340d9049749fa7e86576eafa6c2c9a86eb"
"""The commit of this repository that the tasks about a repository work on."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a task is done.

    Attributes:
        home: What stands for the user's home.
        commands: How each real server is started, by key.
        environment: Further variables of theirs.
    """

    home: Path
    commands: dict[str, list[str]]
    environment: dict[str, str]

    @property
    def project(self) -> Path:
        """The repository."""
        return self.home / "atlas"

    @property
    def tracker(self) -> Path:
        """The folder of the issues."""
        return self.home / "tracker"

    @property
    def graph(self) -> Path:
        """The file of the knowledge graph."""
        return self.home / "memory.jsonl"


@contextlib.contextmanager
def workplace(task: ModuleType) -> Iterator[Workplace]:
    """What is there before a task is begun."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name).resolve()
        who = {
            f"GIT_{role}_{what}": "ada@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        place = Workplace(home, {}, {"MEMORY_FILE_PATH": str(home / "memory.jsonl"), **who})
        place.commands.update(_commands(place.project, place.tracker))
        _clone(place.project)
        issue_triage.prepare_tracker(place.tracker)
        task.prepare(place.project)
        yield place


def missing(commands: dict[str, list[str]]) -> list[str]:
    """The keys of servers that are not installed."""
    return [
        key
        for key, command in commands.items()
        if any(part.startswith(str(CACHE)) and not Path(part).exists() for part in command)
        or shutil.which(command[0]) is None
    ]


def _commands(folder: Path, tracker: Path) -> dict[str, list[str]]:
    """How each real server is started for a project in `folder` whose issues are in `tracker`."""
    node = shutil.which("node") or "node"
    npm = CACHE / "npm" / "node_modules" / ".bin"
    python = str(CACHE / "servers" / "bin" / "python")
    return {
        "backlog": [
            str(CACHE / "recording" / "node_modules" / ".bin" / "backlog"),
            "mcp",
            "start",
            "--cwd",
            str(tracker),
        ],
        "files": [node, str(npm / "mcp-server-filesystem"), str(folder)],
        "git": [python, "-m", "mcp_server_git", "--repository", str(folder)],
        "memory": [node, str(npm / "mcp-server-memory")],
        "time": [python, "-m", "mcp_server_time", "--local-timezone", "UTC"],
    }


def _clone(folder: Path) -> None:
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main", str(folder)],
        ["git", "-C", str(folder), "fetch", "--quiet", str(ROOT), REVISION],
        ["git", "-C", str(folder), "reset", "--quiet", "--hard", "FETCH_HEAD"],
    ):
        subprocess.run(command, check=True, timeout=60, capture_output=True)
