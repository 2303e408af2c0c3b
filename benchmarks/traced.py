"""callmux with a hook that counts Python frames and tasks while it is told to. Started by `frames.py`.

    python traced.py COMMANDS REPLIES BURDEN ARGUMENTS OF CALLMUX...

The first two are descriptors of pipes. Each byte that comes turns counting on or off, and is answered by a
line of JSON: what was counted since counting was turned on. The process must be idle then. BURDEN is the
needless work of `burden.py`, or 0.
"""

from __future__ import annotations

import asyncio
import dis
import inspect
import json
import os
import sys
import threading
from functools import cache
from types import CodeType, FrameType
from typing import Any

import burden

OURS = __file__
COROUTINE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

counting = False
frames: list[tuple[str, str, str, bool]] = []
tasks = 0


class Task(asyncio.Task[Any]):
    """A task that is counted when it is made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        global tasks
        tasks += counting
        super().__init__(*args, **options)


@cache
def _beginning(code: CodeType) -> int:
    """Where a frame of this code stands when it has just begun, not when it goes on after waiting."""
    return next((i.offset for i in dis.get_instructions(code) if i.opname == "RESUME"), -1)


def _hook(frame: FrameType, event: str, arg: object) -> None:
    if not counting or event != "call":
        return
    code = frame.f_code
    if code.co_filename == OURS:
        return
    waits = bool(code.co_flags & COROUTINE)
    if code.co_flags & (COROUTINE | inspect.CO_GENERATOR) and frame.f_lasti > _beginning(code):
        waits = False  # a frame once more, no further coroutine
    name = getattr(code, "co_qualname", code.co_name)
    frames.append((code.co_filename, str(frame.f_globals.get("__name__")), name, waits))


def _obey(commands: int, replies: int) -> None:
    global counting, tasks
    while os.read(commands, 1):
        counting = not counting
        found = {} if counting else {"frames": frames, "tasks": tasks}
        reply = memoryview(json.dumps(found).encode() + b"\n")
        frames.clear()
        tasks = 0
        while reply:
            reply = reply[os.write(replies, reply) :]


def main() -> None:
    commands, replies, rounds = map(int, sys.argv[1:4])
    sys.argv[1:4] = []
    for descriptor in (commands, replies):
        os.set_inheritable(descriptor, False)
    asyncio.Task = asyncio.tasks.Task = Task  # type: ignore[misc]  # before uvloop looks
    threading.Thread(target=_obey, args=(commands, replies), daemon=True).start()
    from callmux.cli.main import main as callmux

    if rounds:
        burden.add(rounds)
    sys.setprofile(_hook)
    sys.exit(callmux())


if __name__ == "__main__":
    main()
