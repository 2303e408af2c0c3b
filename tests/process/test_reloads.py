"""How reloading the configuration has gone."""

from __future__ import annotations

from callmux.observe.bus import Bus
from callmux.observe.facts import Reloaded
from callmux.process.reloads import Reloads
from tests.support import FakeClock


def test_nothing_is_shown_before_the_first_reload() -> None:
    assert Reloads(FakeClock().clock, Bus()).facts() == {}


def test_a_failed_reload_shows_why_and_when() -> None:
    bus = Bus()
    reloads = Reloads(FakeClock(0.0).clock, bus)
    bus.publish(Reloaded(error="bad JSON"))
    assert reloads.facts() == {
        "configReload": {"lastReloadAt": "1970-01-01T00:00:00.000Z", "lastReloadError": "bad JSON"}
    }


def test_a_good_reload_clears_the_error_of_the_one_before() -> None:
    time = FakeClock(0.0)
    bus = Bus()
    reloads = Reloads(time.clock, bus)
    bus.publish(Reloaded(error="bad JSON"))
    time.advance(1.5)
    bus.publish(Reloaded())
    assert reloads.facts() == {"configReload": {"lastReloadAt": "1970-01-01T00:00:01.500Z"}}
