"""What every long-running mode gives its process: a log on stderr that holds nobody up, and the fastest event
loop there is.

Called by `callmux.cli.serve` and `callmux.cli.bridge`. What this imports counts in every agent's start-up.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import io
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from callmux.cli.stderr import Stderr
from callmux.text import visible

log = logging.getLogger("callmux")

REST_SECONDS = 2.0
"""How long the rest of a start waits: whoever has started us, and is answered first, has a lot to do then."""
LEFT_SECONDS = 3.0
"""How long tasks may take to end that nobody has ended before the process ends."""
LAST_WORDS_SECONDS = 0.5
"""How long the end of the process waits for somebody to read its stderr."""


class VeiledFormatter(logging.Formatter):
    """Hides the secrets of all servers, in tracebacks, too. What comes from elsewhere begins no line of its
    own and does nothing to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and record.args:
            from copy import copy

            record = copy(record)
            record.args = tuple(map(_tame, record.args or ()))
        return hidden("\n".join(map(visible, super().format(record).expandtabs().split("\n"))))


def _tame(value: object) -> object:
    """An argument of a log line, as text on one line if it is none."""
    if isinstance(value, int | float):
        return value
    text = str(value)
    return value if text.isprintable() else visible(text)


def hidden(text: str) -> str:
    """A text of this process without any secret; what does it is imported when there is something to say."""
    from callmux.config.veil import EVERYWHERE

    return EVERYWHERE.hide(text)


def log_to_stderr() -> None:
    """Sends the log of callmux to stderr: stdout may be the wire. No secret passes, not even in a crash, and
    whatever writes to `sys.stderr` from here on waits for nobody."""
    try:
        descriptor = sys.stderr.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        # There is none, or it is in memory.
        pass
    else:
        sys.stderr.flush()
        stderr = sys.stderr = Stderr(descriptor)
        atexit.register(stderr.finish, LAST_WORDS_SECONDS)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VeiledFormatter("[callmux] %(message)s"))
    sys.excepthook = _crash
    root = logging.getLogger("callmux")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False


def stamp_log() -> None:
    """Gives each line its time from here on, unless systemd's journal notes that by itself."""
    if "JOURNAL_STREAM" not in os.environ:
        for handler in logging.getLogger("callmux").handlers:
            handler.setFormatter(VeiledFormatter("[callmux] %(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))


def _crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    import traceback

    sys.stderr.write(hidden("".join(traceback.format_exception(kind, error, trace))))


def settle() -> None:
    """The start is over: what exists by now lives as long as the process, and the collector, which
    `callmux.cli.main` holds up until here, need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Runs `work` on uvloop, or on the standard library's loop where there is none. Gives its exit code."""
    make: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop

        make = new_event_loop
    runner = asyncio.Runner(loop_factory=make)
    late: set[asyncio.Task[Any]] = set()
    try:
        return runner.run(_alone(work, late))
    finally:
        if not late:
            # The loop waits here for every task that is left, however long that takes.
            runner.close()


async def _alone(work: Coroutine[Any, Any, int], late: set[asyncio.Task[Any]]) -> int:
    """Runs `work`, then ends what it has left. What ignores that is given up, and stands in `late`."""
    try:
        return await work
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            late.update((await asyncio.wait(left, timeout=LEFT_SECONDS))[1])
        for task in late:
            log.warning("gave up a task that does not end: %s", task.get_coro())
