"""Records the traces: does each task call by call with real servers, on a fresh copy of its data.

    python benchmarks/context.py --record [TASK ...]

Called by `benchmarks/context.py`. Needs git, Node.js, `scripts/interop`, and Backlog.md beside its servers:
`npm install --prefix .cache/recording backlog.md@1.52.0`. Paths of the machine are replaced, in arguments and
results, by those of an invented user.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from replay.process import Process, text_of
from replay.recording import HOME, SERVERS, Call, Recording
from replay.tasks import TASKS, issue_triage
from replay.ways import Direct

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"
REVISION = "9b91f3340d9049749fa7e86576eafa6c2c9a86eb"
"""The commit of this repository that the tasks about a repository work on."""


def commands(folder: Path, tracker: Path) -> dict[str, list[str]]:
    """How each real server is started for a project in `folder` whose issues are in `tracker`."""
    node = shutil.which("node") or "node"
    npm = CACHE / "npm" / "node_modules" / ".bin"
    pypi = CACHE / "servers" / "bin"
    return {
        "backlog": [
            str(CACHE / "recording" / "node_modules" / ".bin" / "backlog"),
            "mcp",
            "start",
            "--cwd",
            str(tracker),
        ],
        "files": [node, str(npm / "mcp-server-filesystem"), str(folder)],
        "git": [str(pypi / "mcp-server-git"), "--repository", str(folder)],
        "memory": [node, str(npm / "mcp-server-memory")],
        "time": [str(pypi / "mcp-server-time"), "--local-timezone", "UTC"],
    }


def record(task: str) -> Recording:
    """Does the task and writes its trace."""
    module = TASKS[task]
    recording = Recording(task)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        home = Path(name).resolve()
        folder, tracker = home / "atlas", home / "tracker"
        _clone(folder)
        issue_triage.prepare_tracker(tracker)
        module.prepare(folder)
        more = {
            "MEMORY_FILE_PATH": str(home / "memory.jsonl"),
            **{
                f"GIT_{who}_{what}": "ada@example.org"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        processes = {
            key: stack.enter_context(Process(command, home, more, folder))
            for key, command in commands(folder, tracker).items()
        }
        found = {
            key: {"about": f"{process.about['name']} {process.about['version']}", "tools": process.tools()}
            for key, process in processes.items()
        }

        def call(asked: Call) -> str:
            arguments = _moved(asked.arguments, HOME, str(home))
            result = _moved(processes[asked.server].call(asked.tool, arguments), str(home), HOME)
            recording.calls.append(
                {
                    "server": asked.server,
                    "tool": asked.tool,
                    "arguments": dict(asked.arguments),
                    "result": result,
                }
            )
            return text_of(result)

        module.perform(Direct(call, []))
    recording.save()
    SERVERS.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return recording


def _clone(folder: Path) -> None:
    for command in (
        ["git", "init", "--quiet", "--initial-branch=main", str(folder)],
        ["git", "-C", str(folder), "fetch", "--quiet", str(ROOT), REVISION],
        ["git", "-C", str(folder), "reset", "--quiet", "--hard", "FETCH_HEAD"],
    ):
        subprocess.run(command, check=True, timeout=60, capture_output=True)


def _moved(value: Any, before: str, after: str) -> Any:
    """The value with one path in place of another."""
    return json.loads(json.dumps(value).replace(before, after))
