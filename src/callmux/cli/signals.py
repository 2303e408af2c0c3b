"""Signals that end a process, or ask it to make room for its next version. Called by the run modes."""

from __future__ import annotations

import asyncio
import os
import signal


def stop_signals() -> asyncio.Event:
    """Set by SIGINT or SIGTERM; a second one ends the process at once."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopped.is_set():
            os._exit(1)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopped


def upgrade_signal() -> asyncio.Event:
    """Set by SIGUSR2, where the system has it."""
    asked = asyncio.Event()
    if (number := getattr(signal, "SIGUSR2", None)) is not None:
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked
