"""Records the traces: does each task call by call with real servers, on a fresh copy of its data.

    python benchmarks/context.py --record [TASK ...]

Called by `benchmarks/context.py`; what it needs is said in `replay.workplace`. Paths of the machine are
replaced, in arguments and results, by those of an invented user.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from replay.process import Process, text_of
from replay.recording import HOME, SERVERS, Call, Recording
from replay.tasks import TASKS
from replay.ways import Direct
from replay.workplace import workplace


def record(task: str) -> Recording:
    """Does the task and writes its trace."""
    module = TASKS[task]
    recording = Recording(task)
    with workplace(module) as place, contextlib.ExitStack() as stack:
        processes = {
            key: stack.enter_context(Process(command, place.home, place.environment, place.project))
            for key, command in place.commands.items()
        }
        listed = listings_of(processes)

        def call(asked: Call) -> str:
            arguments = moved(asked.arguments, HOME, str(place.home))
            result = processes[asked.server].call(asked.tool, arguments)
            return kept(recording, asked, moved(result, str(place.home), HOME))

        module.perform(Direct(call, []))
    recording.save()
    SERVERS.write_text(listed, "utf-8")
    return recording


def listings_of(processes: Mapping[str, Process]) -> str:
    """What servers list, as it is kept beside the traces."""
    found = {
        key: {"about": f"{process.about['name']} {process.about['version']}", "tools": process.tools()}
        for key, process in processes.items()
    }
    return json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def kept(recording: Recording, asked: Call, result: dict[str, Any]) -> str:
    """The text of a call's result, both of which go into the trace."""
    said = {"server": asked.server, "tool": asked.tool, "arguments": dict(asked.arguments)}
    recording.calls.append({**said, "result": result})
    return text_of(result)


def moved(value: Any, before: str, after: str) -> Any:
    """The value with one path in place of another."""
    return json.loads(json.dumps(value).replace(before, after))
