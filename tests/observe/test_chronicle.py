"""Events, counts and the database come and go with the configuration, and a plain configuration has none."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.observing import Dashboard
from callmux.config.observing import EventStore as Settings
from callmux.observe import chronicle as module
from callmux.observe.bus import Bus
from callmux.observe.chronicle import Chronicle
from callmux.observe.facts import CallEnded, RequestEnded, ResultShortened
from tests.support import real_loop, until

ON = Dashboard(enabled=True)


def calls(bus: Bus, count: int = 1) -> None:
    for _ in range(count):
        bus.publish(CallEnded("a", "tools/call", "t", "t", 0.01, request=1))
        bus.publish(RequestEnded(method="tools/call", name="t", seconds=0.02, request=1))


@real_loop()
async def test_what_is_off_costs_nothing(tmp_path: Path) -> None:
    bus = Bus()
    chronicle = Chronicle(bus, Clock(), tmp_path)
    chronicle.configure(Config())
    assert not bus.calls
    assert not bus.requests
    chronicle.close()
    assert list(tmp_path.iterdir()) == []


@real_loop()
async def test_each_part_is_switched_on_and_off_by_itself(tmp_path: Path) -> None:
    bus = Bus()
    chronicle = Chronicle(bus, Clock(), tmp_path)
    chronicle.configure(Config(dashboard=ON))
    calls(bus)
    bus.publish(ResultShortened(how="toon", server="a", tool="t", before=500, after=100))
    bus.publish(ResultShortened(how="shield", server="a", tool="t", before=500, after=100))
    recent, history = chronicle.recent, chronicle.history
    assert recent is not None
    assert history is not None
    assert recent.summary()["passthroughToolCalls"] == 1
    assert history.totals()["toonSaved"] == 400
    both = Config(dashboard=Dashboard(enabled=True, max_events=7), event_store=Settings(enabled=True))
    chronicle.configure(both)
    assert (chronicle.recent, recent.most) == (recent, 7)
    calls(bus)
    store: Any = chronicle.store
    assert store is not None
    chronicle.configure(Config(event_store=Settings(enabled=True)))
    assert chronicle.recent is None
    assert chronicle.store is store
    calls(bus)
    chronicle.configure(Config())
    assert not bus.calls
    assert not bus.http
    chronicle.configure(Config(dashboard=ON))
    assert chronicle.history is history
    chronicle.close()
    assert {path.name for path in tmp_path.iterdir()} >= {"callmux-metrics.json", "callmux-events.sqlite"}
    again = Chronicle(bus, Clock(), tmp_path)
    again.configure(Config(dashboard=ON))
    assert again.history is not None
    assert again.history.totals()["calls"] == 2
    again.close()


@real_loop()
async def test_what_was_counted_is_written_after_a_while(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "SAVE_SECONDS", 0.01)
    bus = Bus()
    chronicle = Chronicle(bus, Clock(), tmp_path)
    chronicle.configure(Config(dashboard=ON))
    calls(bus)
    await until((tmp_path / module.FILE).exists, "the file")
    chronicle.close()


@real_loop()
async def test_problems_are_told_by_what_has_them(tmp_path: Path) -> None:
    bus = Bus()
    (tmp_path / "file").write_text("")
    chronicle = Chronicle(bus, Clock(), tmp_path)
    chronicle.configure(Config(dashboard=ON, event_store=Settings(enabled=True, path="file/e.sqlite")))
    assert chronicle.problems() == {}
    (tmp_path / module.FILE).mkdir()
    calls(bus)
    assert chronicle.store is not None
    await asyncio.to_thread(chronicle.store.flush)
    assert "eventStore" in chronicle.problems()
    await asyncio.to_thread(chronicle.close)
    assert "history" in chronicle.problems()


@real_loop()
async def test_memory_stays_as_it_is_over_very_many_events(tmp_path: Path) -> None:
    """What is kept is bounded: the same after ten thousand calls as after a hundred thousand."""
    bus = Bus()
    chronicle = Chronicle(bus, Clock(), tmp_path)
    chronicle.configure(Config(dashboard=ON))
    calls(bus, 10_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        calls(bus, 90_000)
        assert tracemalloc.get_traced_memory()[0] - before < 2_000_000
    finally:
        tracemalloc.stop()
    assert chronicle.recent is not None
    assert chronicle.recent.summary()["eventCount"] == 500
    chronicle.close()
