"""What the dashboard keeps while configurations come and go: changed tools, sign-ins, tries of tools.

Made by `callmux.serving.trees`, once for a process; read by `callmux.dashboard.pages`.
"""

from __future__ import annotations

from callmux.clock import Clock
from callmux.dashboard.live import Live
from callmux.dashboard.tool_changes import ToolChanges
from callmux.dashboard.trials import ToolTrials
from callmux.dashboard.waiting import WaitingForPeople
from callmux.process.host import Host
from callmux.upstream.inventory.offer import Suite


class DashboardState:
    """The same for one process.

    Args:
        host: Runs the servers.
        clock: Time.

    Attributes:
        changes: What servers changed in their lists of tools.
        waiting: What waits for a person.
        trials: Calls of persons at the dashboard.
        live: What runs.
    """

    def __init__(self, host: Host, clock: Clock) -> None:
        def suite(name: str) -> Suite | None:
            server = host.runtime.servers.get(name)
            return None if server is None else server.suite

        self.changes = ToolChanges(host.bus, suite, clock.wall)
        for name in host.runtime.servers:
            self.changes.look(name)
        self.waiting = WaitingForPeople(host, clock)
        self.trials = ToolTrials(host, clock)
        self.live = Live(host, clock)
