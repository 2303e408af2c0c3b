"""Changes of a list come in bursts: it is read once for those that wait, never in parallel; none is lost."""

from __future__ import annotations

import asyncio
from typing import Any

from callmux.tasks import TaskSet
from callmux.upstream.reading.refreshing import Refreshing
from callmux.upstream.reading.staleness import DELAYS, Staleness
from tests.support import settle

TOOLS, PROMPTS = "notifications/tools/list_changed", "notifications/prompts/list_changed"


class FakeConnection:
    def __init__(self) -> None:
        self.staleness = Staleness()


class Desk:
    """Readings that wait until they may go on."""

    def __init__(self) -> None:
        self.connection: Any = FakeConnection()
        self.counts = True
        self.readings: list[set[str]] = []
        self.go = asyncio.Event()
        self.refreshing = Refreshing(TaskSet("t"), lambda connection: self.counts, self.read)

    async def read(self, connection: Any, stale: set[str]) -> None:
        assert connection is self.connection
        self.readings.append(stale)
        await self.go.wait()


async def test_notices_during_a_reading_are_read_once_after_it() -> None:
    desk = Desk()
    desk.refreshing.note(desk.connection, TOOLS)
    await settle()
    for _ in range(3):
        desk.refreshing.note(desk.connection, TOOLS)
        desk.refreshing.note(desk.connection, PROMPTS)
    assert repr(desk.connection.staleness) == f"Staleness({sorted([TOOLS, PROMPTS])}, reading)"
    desk.go.set()
    await settle()
    assert desk.readings == [{TOOLS}, {TOOLS, PROMPTS}]
    assert repr(desk.connection.staleness) == "Staleness([])"


async def test_what_is_noted_before_a_connection_counts_is_looked_at_once_it_does() -> None:
    desk = Desk()
    desk.go.set()
    desk.counts = False
    desk.refreshing.note(desk.connection, TOOLS)
    await settle()
    assert desk.readings == []
    desk.counts = True
    desk.refreshing.look(desk.connection)
    await settle()
    desk.refreshing.look(desk.connection)
    await settle()
    assert desk.readings == [{TOOLS}]


async def test_a_server_that_changes_its_list_whenever_it_is_read_is_read_less_and_less() -> None:
    desk = Desk()
    desk.go.set()
    read = desk.refreshing._read

    async def changing(connection: Any, stale: set[str]) -> None:
        await read(connection, stale)
        asyncio.get_running_loop().call_soon(desk.refreshing.note, connection, TOOLS)

    desk.refreshing._read = changing
    desk.refreshing.note(desk.connection, TOOLS)
    await asyncio.sleep(100)
    assert len(desk.readings) <= len(DELAYS) + 100 / DELAYS[-1]
    assert len(desk.readings) >= 100 / DELAYS[-1]
    desk.counts = False
    await asyncio.sleep(100)


async def test_a_connection_that_no_longer_counts_is_not_read_after_a_delay() -> None:
    desk = Desk()
    desk.go.set()
    at_once = DELAYS.count(0.0)
    for _ in range(at_once):
        desk.refreshing.note(desk.connection, TOOLS)
        await settle()
    desk.refreshing.note(desk.connection, TOOLS)
    await settle()
    desk.counts = False
    await asyncio.sleep(10)
    assert desk.readings == [{TOOLS}] * at_once
