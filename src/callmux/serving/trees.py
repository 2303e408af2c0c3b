"""The pages below a path that a configuration asks for: the management interface, the dashboard.

Made by `callmux.serving.assembly`, which hands them to the HTTP application and has them follow reloads.
What serves them is imported where the configuration asks for it and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.guard.gate import route_of
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.serving.reading import ConfigReader
from callmux.transport.http.exchange import Exchange, Tree

if TYPE_CHECKING:
    from callmux.management.changes import Changes


class Trees(dict[str, Tree]):
    """The trees by their paths.

    Args:
        host: Runs the servers.
        reading: Reads configurations.
        clock: Time.
        observers: Who hears what happens.
        is_let_in: Whether a credential still holds.
    """

    def __init__(
        self,
        host: Host,
        reading: ConfigReader,
        clock: Clock,
        observers: Observers,
        is_let_in: Callable[[Exchange], bool],
    ) -> None:
        super().__init__()
        self._observers = observers
        self._is_let_in = is_let_in
        self._host = host
        self._reading = reading
        self._clock = clock
        self._changes: Changes | None = None

    def configure(self, config: Config) -> None:
        """This configuration is in force."""
        self.clear()
        if config.management.enabled:
            from callmux.management.api import ManagementPages

            self[route_of(config.management.path)] = ManagementPages(self.changes())
        chronicle = self._observers.chronicle
        if config.dashboard.enabled and chronicle is not None:
            from callmux.dashboard.pages import DashboardPages

            managed = self.changes().servers if config.management.enabled else list
            self.setdefault(
                route_of(config.dashboard.path),
                DashboardPages(config, self._host, chronicle, managed, self._is_let_in, self._clock),
            )

    def changes(self) -> Changes:
        """What changes servers."""
        if self._changes is None:
            from callmux.management.changes import Changes

            self._changes = Changes(self._host, self._reading, self._clock)
        return self._changes
