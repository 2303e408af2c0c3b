"""What a slow listener has not read yet is bounded, and it is told what it lost."""

from __future__ import annotations

from callmux.observe.feed import Feed, Heard
from tests.support import FakeClock


def test_facts_are_taken_in_their_order_with_their_time() -> None:
    time = FakeClock(10.0)
    feed = Feed(time.clock.wall)
    feed.put("a")
    time.advance(1)
    feed.put("b")
    assert feed
    assert len(feed) == 2
    assert feed.take(1) == Heard([(10.0, "a")])
    assert feed.take() == Heard([(11.0, "b")])
    assert feed.take() == Heard([])


def test_what_finds_no_room_is_dropped_and_told_once_after_what_came_before_it() -> None:
    feed = Feed(lambda: 0.0, room=2)
    for fact in "abcd":
        feed.put(fact)
    assert feed.take(1) == Heard([(0.0, "a")])
    assert feed.take(1) == Heard([(0.0, "b")], dropped=2)
    feed.put("e")
    assert feed.take() == Heard([(0.0, "e")])


def test_the_reader_is_woken_once_for_all_that_comes_before_it_reads() -> None:
    woken: list[int] = []
    feed = Feed(lambda: 0.0, wake=lambda: woken.append(1))
    feed.put("a")
    feed.put("b")
    feed.take()
    feed.put("c")
    assert len(woken) == 2


def test_the_reader_is_woken_once_more_when_there_is_enough() -> None:
    woken: list[int] = []
    feed = Feed(lambda: 0.0, wake=lambda: woken.append(len(feed)), enough=3)
    for fact in "abcde":
        feed.put(fact)
    assert woken == [1, 3]
