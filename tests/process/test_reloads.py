"""How reloading the configuration has gone."""

from __future__ import annotations

from callmux.process.reloads import Reloads
from tests.support import FakeClock


def test_nothing_is_shown_before_the_first_reload() -> None:
    assert Reloads(FakeClock().clock).facts() == {}


def test_a_failed_reload_shows_why_and_when() -> None:
    reloads = Reloads(FakeClock(0.0).clock)
    reloads.note("bad JSON")
    assert reloads.facts() == {
        "configReload": {"lastReloadAt": "1970-01-01T00:00:00.000Z", "lastReloadError": "bad JSON"}
    }


def test_a_good_reload_clears_the_error_of_the_one_before() -> None:
    time = FakeClock(0.0)
    reloads = Reloads(time.clock)
    reloads.note("bad JSON")
    time.advance(1.5)
    reloads.note(None)
    assert reloads.facts() == {"configReload": {"lastReloadAt": "1970-01-01T00:00:01.500Z"}}
