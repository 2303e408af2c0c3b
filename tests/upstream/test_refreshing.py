"""Changes of a list come in bursts: it is read once for those that wait, and never in parallel."""

from __future__ import annotations

import asyncio
from typing import Any

from callmux.tasks import TaskSet
from callmux.upstream.refreshing import Refreshing
from tests.support import play, settle

TOOLS, PROMPTS = "notifications/tools/list_changed", "notifications/prompts/list_changed"


def test_notices_during_a_reading_are_read_once_after_it() -> None:
    async def scene() -> None:
        main: Any = object()
        readings: list[set[str]] = []
        go = asyncio.Event()

        async def read(connection: Any, stale: set[str]) -> None:
            readings.append(stale)
            await go.wait()

        refreshing = Refreshing(TaskSet("t"), lambda: main, read)
        refreshing.note(main, TOOLS)
        await settle()
        for _ in range(3):
            refreshing.note(main, TOOLS)
            refreshing.note(main, PROMPTS)
        assert repr(refreshing) == f"Refreshing({sorted([TOOLS, PROMPTS])}, reading)"
        go.set()
        await settle()
        assert readings == [{TOOLS}, {TOOLS, PROMPTS}]
        assert repr(refreshing) == "Refreshing([])"

    play(scene())


def test_other_connections_decide_nothing() -> None:
    async def scene() -> None:
        async def read(connection: Any, stale: set[str]) -> None:
            raise AssertionError("nothing is to be read")

        refreshing = Refreshing(TaskSet("t"), lambda: None, read)
        refreshing.note(object(), TOOLS)  # type: ignore[arg-type]
        await settle()

    play(scene())
