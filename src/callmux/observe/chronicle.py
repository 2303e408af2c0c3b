"""What has happened, for people who look: the latest events, counts over time, and the database of calls.

Made by `callmux.process.observers` where the dashboard or the event store is on; read by
`callmux.dashboard.pages`. It hears facts on `callmux.observe.bus`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.observing import Dashboard, EventStore
from callmux.observe.bus import Bus
from callmux.observe.endings import Endings
from callmux.observe.facts import ResultShortened
from callmux.observe.fan_outs import FanOuts
from callmux.observe.history import History
from callmux.observe.history_file import HistoryFile, read_history
from callmux.observe.keeping import Keeping, problems_of
from callmux.observe.recent import Recent
from callmux.observe.samples import Sample, Sampler

if TYPE_CHECKING:
    from callmux.observe.event_store import EventDatabase

FILE = "callmux-metrics.json"
SAVE_SECONDS = 15.0
CLOSE_SECONDS = 5.0


class Chronicle:
    """The listeners.

    Args:
        bus: Where they hear.
        clock: Time.
        base_dir: Where files are kept that the configuration names relatively.

    Attributes:
        recent: The latest events; None without a dashboard.
        history: Counts over time; the same.
        store: The database; None where it is off.
        fan_outs: The latest requests that made several calls.
    """

    def __init__(self, bus: Bus, clock: Clock, base_dir: Path) -> None:
        self._bus = bus
        self._wall = clock.wall
        self._base_dir = base_dir
        self._loop = asyncio.get_running_loop()
        self.recent: Recent | None = None
        self.history: History | None = None
        self.store: EventDatabase | None = None
        self.fan_outs = FanOuts()
        self._endings = Endings()
        self._file: HistoryFile | None = None
        self._due: asyncio.TimerHandle | None = None
        self._settings = EventStore()
        self._path = ""
        self._sampler: Sampler | None = None
        self._leave: Callable[[], None] = lambda: None

    def configure(self, config: Config) -> None:
        """Puts a configuration in force."""
        self._show(config.dashboard)
        if config.event_store != self._settings:
            self._settings = config.event_store
            before, self.store = self.store, None
            if before is not None:
                self._endings.begin(before.close)
            if config.event_store.enabled:
                from callmux.observe.event_store import EventDatabase

                path = self._base_dir / (config.event_store.path or "callmux-events.sqlite")
                self.store = EventDatabase(config.event_store, self._wall, path)
        wanted = self.recent is not None or self.store is not None
        if wanted and self._sampler is None:
            self._sampler = Sampler(self._bus, self._wall, self._hear, self.fan_outs)
        elif not wanted and self._sampler is not None:
            self._sampler.leave()
            self._sampler = None

    def _show(self, settings: Dashboard) -> None:
        self._path = settings.path
        if not settings.enabled:
            if self.recent is not None:
                self.recent.leave()
                self._leave()
                self._keep()
            self.recent = None
        elif self.recent is not None:
            if self.recent.most != settings.max_events:
                self.recent.resize(settings.max_events)
        else:
            self.recent = Recent(self._bus, self._wall, settings.max_events, self._is_own)
            self._leave = self._bus.subscribe(ResultShortened, self._shortened)
            if self.history is None:
                path = self._base_dir / FILE
                self.history = read_history(path, self._wall())
                self._file = HistoryFile(path, self.history)

    def _is_own(self, path: str) -> bool:
        return path == self._path or path.startswith(self._path.rstrip("/") + "/")

    def _hear(self, sample: Sample) -> None:
        if self.store is not None:
            self.store.put(sample)
        if self.recent is not None and self.history is not None:
            self.recent.add(sample)
            self.history.add(sample)
            if self._due is None:
                self._due = self._loop.call_later(SAVE_SECONDS, self._keep)

    def _shortened(self, fact: ResultShortened) -> None:
        if fact.how != "shield" and self.history is not None:
            self.history.shortened(self._wall(), fact.before - fact.after)

    def _keep(self) -> None:
        self._due = None
        if self._file is not None:
            self._file.save()

    def keeping(self) -> dict[str, Keeping]:
        """How what is kept on disk is doing."""
        found = {}
        if self.recent is not None and self._file is not None:
            found["history"] = Keeping(self._file.problem)
        if self.store is not None:
            found["eventStore"] = Keeping(self.store.problem, self.store.lost, self.store.summed)
        return found

    def problems(self) -> dict[str, str]:
        """What cannot be kept now, and why."""
        return problems_of(self.keeping())

    def close(self) -> None:
        """Writes what was heard."""
        if self._due is not None:
            self._due.cancel()
        if self._file is not None:
            self._file.close(CLOSE_SECONDS)
        if self.store is not None:
            self._endings.begin(self.store.close)
        self._endings.wait(CLOSE_SECONDS)
