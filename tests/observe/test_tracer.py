"""What a tracer is told."""

from __future__ import annotations

from callmux.observe.bus import Bus
from callmux.observe.tracer import Begun, End


def test_a_request_without_anything_known_has_nothing_set() -> None:
    assert Begun(method="ping") == Begun(method="ping", target="", id="", transport="stdio", server="")
    assert End() == End(error="", status="", words="", code="", unknown=False)


def test_the_bus_tells_when_a_tracer_comes_and_goes() -> None:
    bus, turns = Bus(), []
    bus.turned = lambda: turns.append(bus.tracer)
    tracer: object = object()
    bus.trace_with(tracer)  # type: ignore[arg-type]
    bus.trace_with(None)
    assert turns == [tracer, None]
