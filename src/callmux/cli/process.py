"""What every long-running mode gives its process: a log on stderr, and the fastest event loop there is.

Called by `callmux.cli.serve` and `callmux.cli.bridge`. What this imports counts in every agent's start-up.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any


def log_to_stderr() -> None:
    """Sends the log of callmux to stderr: stdout may be the wire."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("[callmux] %(message)s"))
    root = logging.getLogger("callmux")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Runs `work` on uvloop, or on the standard library's loop where there is none. Gives its exit code."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)
