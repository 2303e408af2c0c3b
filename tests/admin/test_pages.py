"""Which pages there are follows the configuration."""

from __future__ import annotations

from callmux.admin.pages import Pages
from callmux.config.model import Config
from callmux.config.observing import Metrics
from callmux.observe.totals import Totals
from callmux.transport.http.exchange import Exchange
from tests.admin.test_metrics import GAUGES


async def _probe(exchange: Exchange) -> None:
    """Stands for `/health`."""


def test_metrics_are_where_the_configuration_puts_them_and_probes_always_there() -> None:
    totals = Totals()
    pages = Pages({"/health": _probe}, lambda: totals, lambda: GAUGES)
    assert list(pages) == ["/health"]
    pages.configure(Config())
    assert list(pages) == ["/health", "/metrics"]
    pages.configure(Config(metrics=Metrics(path="/m/")))
    assert list(pages) == ["/health", "/m"]
    pages.configure(Config(metrics=Metrics(enabled=False)))
    assert list(pages) == ["/health"]


def test_metrics_take_a_path_from_a_probe_and_need_somebody_who_counts() -> None:
    pages = Pages({"/health": _probe}, lambda: None, lambda: GAUGES)
    pages.configure(Config(metrics=Metrics(path="/health")))
    assert pages["/health"] is _probe
    totals = Totals()
    pages = Pages({"/health": _probe}, lambda: totals, lambda: GAUGES)
    pages.configure(Config(metrics=Metrics(path="/health")))
    assert pages["/health"] is not _probe
