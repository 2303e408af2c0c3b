"""A bound of real time, and what waits, in words: the tasks of a loop and the threads, each where it stands.

Called by `tests.support` and `tests.conftest`: whoever reads that a test took too long sees what it waited
for.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

MOST_TASKS = 40
MOST_TIMERS = 5
MOST_FRAMES = 12


class TookTooLong(KeyboardInterrupt):
    """A loop passes it on, whatever task or callback it hits, and Hypothesis does not try once more."""


@contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Fails what takes longer, wherever the main thread is then, and says so; the process goes on. Another
    thread has no such bound."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found: list[str] = []

    def ring(number: int, frame: FrameType | None) -> None:
        loop = asyncio._get_running_loop()
        found.append("\n".join([threads(), *([] if loop is None else [tasks(loop)])]))
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: the first may come in a finalizer, which swallows what is raised in it.
    left = signal.setitimer(signal.ITIMER_REAL, seconds, min(seconds, 5.0))
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *left)
            signal.signal(signal.SIGALRM, before)
    except TookTooLong:
        pass
    if found:
        pytest.fail(f"it took longer than {seconds:g} s; {found[0]}")


def tasks(loop: asyncio.AbstractEventLoop) -> str:
    """The tasks of a loop, each with the calls it stands in, innermost last, and the timers that are next."""
    living = [task for task in asyncio.all_tasks(loop) if not task.done()]
    lines = []
    for task in sorted(living, key=lambda task: task.get_name())[:MOST_TASKS]:
        lines.append(f"  {task.get_name()}:")
        lines += [f"    {place}" for place in _places(task.get_coro())]
    if len(living) > MOST_TASKS:
        lines.append(f"  and {len(living) - MOST_TASKS} tasks more")
    timers = [handle for handle in getattr(loop, "_scheduled", ()) if not handle.cancelled()]
    for handle in sorted(timers)[:MOST_TIMERS]:
        lines.append(f"  in {handle.when() - loop.time():.3f} s: {handle!r}")
    return "\n".join(["what waits:", *lines])


def threads() -> str:
    """All threads of the process, each with the calls it stands in, innermost last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, frame in sys._current_frames().items():
        lines.append(f"  thread {names.get(ident, ident)}:")
        lines += [f"    {place}" for place in _stack(frame)]
    return "\n".join(["threads:", *lines])


def _stack(frame: FrameType) -> list[str]:
    frames = traceback.extract_stack(frame)
    return [f"{one.filename}:{one.lineno} {one.name}" for one in frames][-MOST_FRAMES:]


def _places(awaited: Any) -> list[str]:
    """Where a coroutine stands, and what it awaits, and so on."""
    return list(_chain(awaited))[-MOST_FRAMES:]


def _chain(awaited: Any) -> Iterator[str]:
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            if (code := getattr(awaited, f"{kind}_code", None)) is not None:
                frame = getattr(awaited, f"{kind}_frame", None)
                line = "ended" if frame is None else frame.f_lineno
                yield f"{code.co_filename}:{line} {code.co_qualname}"
                awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
                break
        else:
            yield repr(awaited)[:200]
            return
