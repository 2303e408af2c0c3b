"""Soon at first, later where there is no end of changes."""

from __future__ import annotations

from callmux.protocol.caching import Freshness
from callmux.upstream.reading.staleness import DELAYS, QUIET, Staleness


def test_each_reading_in_a_row_waits_longer_for_the_one_before() -> None:
    staleness, now = Staleness(), 0.0
    for expected in (*DELAYS, DELAYS[-1]):
        assert staleness.delay(now) == expected
        now += expected
        assert staleness.delay(now) == 0
        staleness.lists.add("x")
        assert staleness.take(now) == {"x"}
        assert staleness.lists == set()


def test_several_changes_in_a_row_are_read_at_once() -> None:
    """Two callmux, one behind the other, would add up what each of them waits."""
    staleness = Staleness()
    for _ in range(8):
        assert staleness.delay(0.0) == 0
        staleness.take(0.0)
    assert staleness.delay(0.0) > 0


def test_time_that_has_passed_counts() -> None:
    staleness = Staleness()
    for _ in DELAYS:
        staleness.take(0.0)
    assert staleness.delay(2.0) == DELAYS[-1] - 2.0


def test_after_a_while_of_quiet_the_delays_begin_anew() -> None:
    staleness = Staleness()
    for _ in DELAYS:
        staleness.take(0.0)
    assert staleness.delay(QUIET) == 0
    staleness.take(QUIET)
    assert staleness.delay(QUIET) == 0


def test_it_shows_what_is_stale_and_whether_it_is_being_read() -> None:
    staleness = Staleness()
    staleness.lists.update({"tools", "prompts"})
    assert repr(staleness) == "Staleness(['prompts', 'tools'])"
    staleness.reading = True
    assert repr(staleness) == "Staleness(['prompts', 'tools'], reading)"


def test_a_list_holds_for_as_long_as_its_server_says_and_five_seconds_at_least() -> None:
    staleness = Staleness()
    staleness.holds("tools/list", Freshness(60_000), now=100)
    staleness.holds("prompts/list", Freshness(0), now=100)
    assert staleness.expired(now=104) == set()
    assert staleness.expired(now=105) == {"prompts/list"}
    assert staleness.expired(now=160) == {"prompts/list", "tools/list"}
    staleness.holds("prompts/list", Freshness(60_000), now=160)
    assert staleness.expired(now=165) == {"tools/list"}


def test_what_a_server_says_of_a_list_is_told_on_with_what_is_left_of_its_time() -> None:
    staleness = Staleness()
    assert staleness.said("tools/list", now=5) == Freshness()
    staleness.holds("tools/list", Freshness(2000, private=True), now=100)
    assert staleness.said("tools/list", now=101) == Freshness(1000, private=True)
    assert staleness.said("tools/list", now=103) == Freshness(0, private=True)
