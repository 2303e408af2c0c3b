"""Signals that end a process."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from callmux.cli.signals import stop_signals, upgrade_signal
from tests.support import real_loop, run, settle


def remove() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)


@real_loop()
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_sets_the_event_and_the_process_goes_on(number: int) -> None:
    stopped = stop_signals()
    try:
        await settle()
        assert not stopped.is_set()
        os.kill(os.getpid(), number)
        await stopped.wait()
    finally:
        remove()


def test_a_second_signal_ends_the_process_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> int:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        monkeypatch.setattr("callmux.cli.signals.os._exit", ended.set_result)
        stopped = stop_signals()
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await stopped.wait()
            os.kill(os.getpid(), signal.SIGINT)
            return await ended
        finally:
            remove()

    assert run(scenario()) == 1


@real_loop()
async def test_another_signal_asks_for_the_next_version() -> None:
    asked = upgrade_signal()
    try:
        os.kill(os.getpid(), signal.SIGUSR2)
        await asked.wait()
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR2)
