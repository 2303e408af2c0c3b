"""How things are now, in one record."""

from __future__ import annotations

from callmux.observe.gauges import Gauges
from callmux.observe.keeping import Keeping


def test_the_slots_are_told_apart() -> None:
    gauges = Gauges(1, 2, {"a": True}, (3, 4), {"entries": 5}, {"entries": 6}, {"history": Keeping(None)})
    assert (gauges.in_flight, gauges.sessions, gauges.running, gauges.waiting) == (1, 2, 3, 4)
    assert gauges.keeping["history"].problem is None
    assert (gauges.servers["a"], gauges.cache["entries"], gauges.results["entries"]) == (True, 5, 6)
