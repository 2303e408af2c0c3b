"""The pages of a listener beside MCP, by path, as the configuration in force has them.

Made by `callmux.serving.assembly`, which hands it to the HTTP application and has it follow reloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from callmux.admin.metrics import metrics_route
from callmux.config.model import Config
from callmux.guard.gate import route_of
from callmux.observe.gauges import Gauges
from callmux.observe.totals import Totals
from callmux.transport.http.exchange import Route


class Pages(dict[str, Route]):
    """The routes.

    Args:
        probes: Those that are always there.
        totals: Gives what is counted; None where nothing ever was.
        gauges: Gives how things are now.
    """

    def __init__(
        self,
        probes: Mapping[str, Route],
        totals: Callable[[], Totals | None],
        gauges: Callable[[], Gauges],
    ) -> None:
        super().__init__(probes)
        self._probes = probes
        self._counters = totals
        self._gauges = gauges

    def configure(self, config: Config) -> None:
        """This configuration is in force, and whatever counts knows it already."""
        self.clear()
        self.update(self._probes)
        totals = self._counters()
        if config.metrics.enabled and totals is not None:
            self[route_of(config.metrics.path)] = metrics_route(totals, self._gauges)
