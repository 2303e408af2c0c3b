"""Who listens to the facts of this process, by its configuration: the audit log, totals, traces.

Made by the run modes of `callmux.cli`; hears of each configuration that takes effect. What listens is
imported where the configuration asks for it and not before. What has not changed goes on as it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.observing import AuditLog, OpenTelemetry
from callmux.observe.bus import Bus
from callmux.observe.endings import Endings
from callmux.observe.facts import Configured

if TYPE_CHECKING:
    from callmux.observe.audit import Audit
    from callmux.observe.chronicle import Chronicle
    from callmux.observe.keeping import Keeping
    from callmux.observe.log_file import LogFile
    from callmux.observe.telemetry import Telemetry
    from callmux.observe.totals import Totals

log = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""How long the last lines may take when the process ends."""


class Observers:
    """The listeners.

    Args:
        bus: Where they hear.
        base_dir: Where relative paths start.
        clock: Time.
        show: Writes whole lines to stderr; never waits.
        listens: Whether there is a listener: clients come over HTTP, and metrics may be served.

    Attributes:
        totals: What was counted since metrics were on first; None where they never were.
        chronicle: What has happened; None where neither dashboard nor event store ever was on.
    """

    def __init__(
        self,
        bus: Bus,
        base_dir: Path,
        clock: Clock,
        show: Callable[[str], object],
        *,
        listens: bool = False,
    ) -> None:
        self._listens = listens
        self.totals: Totals | None = None
        self.chronicle: Chronicle | None = None
        self._stop_counting: Callable[[], None] | None = None
        self._endings = Endings()
        self._bus = bus
        self._base_dir = base_dir
        self._clock = clock
        self._show = show
        self._audit: Audit | None = None
        self._audit_file: LogFile | None = None
        self._audit_settings = AuditLog()
        self._telemetry: Telemetry | None = None
        self._telemetry_settings = OpenTelemetry()
        bus.subscribe(Configured, lambda new: self.configure(new.config))

    def configure(self, config: Config) -> None:
        """Puts a configuration in force."""
        if config.audit_log != self._audit_settings:
            self._audit_settings = config.audit_log
            before, self._audit = self._audit, None
            if config.audit_log.enabled:
                self._audit = self._new_audit(config.audit_log)
            if before is not None:
                self._endings.begin(before.close)
        if config.open_telemetry != self._telemetry_settings:
            self._telemetry_settings = config.open_telemetry
            self._end_telemetry()
            if config.open_telemetry.enabled:
                self._telemetry = self._new_telemetry(config.open_telemetry)
        if self._listens:
            self._remember(config)
        if self._listens and config.metrics.enabled != (self._stop_counting is not None):
            self._count(config.metrics.enabled)

    def _remember(self, config: Config) -> None:
        if self.chronicle is None and (config.dashboard.enabled or config.event_store.enabled):
            from callmux.observe.chronicle import Chronicle

            self.chronicle = Chronicle(self._bus, self._clock, self._base_dir)
        if self.chronicle is not None:
            self.chronicle.configure(config)

    def _count(self, on: bool) -> None:
        if not on:
            if self._stop_counting is not None:
                self._stop_counting()
                self._stop_counting = None
            return
        from callmux.observe.totals import Totals

        self.totals = self.totals or Totals()
        self._stop_counting = self.totals.listen(self._bus)

    def counts(self) -> dict[str, dict[str, float]] | None:
        """Calls so far by server: `calls`, `failed`, `milliseconds`; None where they are not counted."""
        return None if self.totals is None else self.totals.by_server()

    def keeping(self) -> dict[str, Keeping]:
        """How what is kept on disk is doing."""
        found = {} if self.chronicle is None else self.chronicle.keeping()
        if self._audit is not None and self._audit_file is not None:
            from callmux.observe.keeping import Keeping

            dropped = self._audit.dropped
            found["auditLog"] = Keeping(self._audit_file.problem, self._audit_file.lost + dropped)
        return found

    def close(self) -> None:
        """Writes what was heard."""
        if self.chronicle is not None:
            self.chronicle.close()
        if self._audit is not None:
            self._endings.begin(self._audit.close)
        self._end_telemetry()
        self._endings.wait(CLOSE_SECONDS)

    def _new_telemetry(self, settings: OpenTelemetry) -> Telemetry | None:
        try:
            from callmux.observe.telemetry import exporting
        except ImportError as missing:
            log.error("openTelemetry needs the extra: pip install 'callmux[otel]' (%s)", missing)
            return None
        return exporting(settings.service_name, settings.endpoint, self._bus, self._clock.monotonic)

    def _end_telemetry(self) -> None:
        """Has what is left sent, in a thread: the collector may be away."""
        telemetry, self._telemetry = self._telemetry, None
        if telemetry is None:
            return
        telemetry.leave()
        ending = threading.Thread(target=telemetry.close, args=(CLOSE_SECONDS,), daemon=True)
        ending.start()

        def ended(seconds: float) -> bool:
            ending.join(seconds)
            return not ending.is_alive()

        self._endings.begin(ended)

    def _new_audit(self, settings: AuditLog) -> Audit:
        from callmux.observe.audit import Audit

        return Audit(settings, self._bus, self._clock.wall, self._sink(settings), listens=self._listens)

    def _sink(self, settings: AuditLog) -> Callable[[bytes], object]:
        self._audit_file = None
        if settings.path is None:
            return lambda lines: self._show(lines.decode())
        from callmux.observe.log_file import LogFile

        path = self._base_dir / Path(settings.path).expanduser()
        file = self._audit_file = LogFile(path, settings.max_file_bytes, settings.max_files, _complain)
        return file.append


def _complain(why: str) -> None:
    log.error("auditLog: %s", why)
