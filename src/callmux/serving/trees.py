"""The pages below a path that a configuration asks for: the management interface, the dashboard.

Made by `callmux.serving.assembly`, which hands them to the HTTP application and has them follow reloads.
What serves them is imported where the configuration asks for it and not before.
"""

from __future__ import annotations

import asyncio
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
    from callmux.dashboard.kept import DashboardState
    from callmux.guard.visitors import Visitors
    from callmux.management.changes import Changes, SharedChanges


class Trees(dict[str, Tree]):
    """The trees by their paths.

    Args:
        host: Runs the servers.
        reading: Reads configurations.
        clock: Time.
        observers: Who hears what happens.
        is_let_in: Whether a credential still holds.
        visitors: Gives the check of browsers.
        shared: The changes of all listeners; None where there is only this one.
    """

    def __init__(
        self,
        host: Host,
        reading: ConfigReader,
        clock: Clock,
        observers: Observers,
        is_let_in: Callable[[Exchange], bool],
        visitors: Callable[[], Visitors | None],
        shared: SharedChanges | None = None,
    ) -> None:
        super().__init__()
        self._shared = shared
        self._observers = observers
        self._is_let_in = is_let_in
        self._visitors = visitors
        self._host = host
        self._reading = reading
        self._clock = clock
        self._changes: Changes | None = None
        self._managed = asyncio.Event()
        self._kept: DashboardState | None = None

    def configure(self, config: Config) -> None:
        """This configuration is in force."""
        self.clear()
        if config.management.enabled:
            self._managed.set()
            from callmux.management.api import ManagementPages

            self[route_of(config.management.path)] = ManagementPages(self.changes())
        chronicle, visitors = self._observers.chronicle, self._visitors()
        if config.dashboard.enabled and chronicle is not None and visitors is not None:
            from callmux.dashboard.pages import DashboardPages
            from callmux.management.api import ManagementPages

            changes = self.changes()
            self.setdefault(
                route_of(config.dashboard.path),
                DashboardPages(
                    config,
                    self._host,
                    chronicle,
                    changes.servers if config.management.enabled else list,
                    self._is_let_in,
                    visitors,
                    self._known(),
                    lambda base: ManagementPages(changes, base),
                    self._clock,
                ),
            )

    def _known(self) -> DashboardState:
        """What the dashboard keeps."""
        if self._kept is None:
            from callmux.dashboard.kept import DashboardState

            self._kept = DashboardState(self._host, self._clock)
        return self._kept

    def changes(self) -> Changes:
        """What changes servers."""
        if self._changes is None:
            from callmux.management.changes import Changes

            self._changes = Changes(self._host, self._reading, self._clock, self._shared)
        return self._changes

    async def follow(self) -> None:
        """Takes over what other listeners change, where there are any, from when one may."""
        if self._shared is not None:
            await self._managed.wait()
            await self.changes().follow()
