"""Whoever is heard never waits for a disk."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from callmux.observe.feed import Heard
from callmux.observe.scribe import Scribe
from tests.support import SECONDS, eventually


def test_what_is_put_is_written_in_another_thread_in_its_order() -> None:
    written: list[Any] = []
    threads: set[int] = set()

    def write(heard: Heard) -> None:
        threads.add(threading.get_ident())
        written.extend(fact for _, fact in heard.facts)

    scribe = Scribe(lambda: 0.0, write)
    for n in range(2500):
        scribe.put(n)
    eventually(lambda: len(written) == 2500)
    assert written == list(range(2500))
    assert threading.get_ident() not in threads
    assert repr(scribe) == "Scribe(0 wait)"
    assert scribe.close(SECONDS)


def test_the_last_words_are_written_when_it_is_closed() -> None:
    written: list[Any] = []
    scribe = Scribe(lambda: 0.0, lambda heard: written.extend(heard.facts))
    scribe.put("last")
    assert scribe.close(SECONDS)
    assert written == [(0.0, "last")]


def test_one_that_never_wrote_has_no_thread_to_wait_for() -> None:
    before = threading.active_count()
    scribe = Scribe(lambda: 0.0, lambda heard: None)
    assert threading.active_count() == before
    assert scribe.close(SECONDS)


def test_a_disk_that_hangs_holds_nobody_up_and_what_found_no_room_is_counted() -> None:
    go, begun = threading.Event(), threading.Event()
    heard: list[Heard] = []

    def write(some: Heard) -> None:
        begun.set()
        go.wait(SECONDS)
        heard.append(some)

    scribe = Scribe(lambda: 0.0, write, room=10)
    scribe.put(0)
    assert begun.wait(SECONDS)
    for n in range(1, 16):
        scribe.put(n)
    assert not scribe.close(0)
    go.set()
    assert scribe.close(SECONDS)
    assert sum(len(some.facts) for some in heard) == 11
    assert sum(some.dropped for some in heard) == 5


def test_a_failure_to_write_is_logged_and_the_next_is_written(caplog: pytest.LogCaptureFixture) -> None:
    written: list[Any] = []

    def write(heard: Heard) -> None:
        if heard.facts[0][1] == "bad":
            raise ValueError("no words for it")
        written.extend(heard.facts)

    scribe = Scribe(lambda: 0.0, write)
    with caplog.at_level(logging.ERROR, "callmux"):
        scribe.put("bad")
        eventually(lambda: caplog.records)
        scribe.put("good")
        assert scribe.close(SECONDS)
    assert written == [(0.0, "good")]
    assert "no words for it" in caplog.records[0].getMessage()


def test_enough_of_it_is_written_without_waiting_for_more() -> None:
    written: list[Any] = []
    scribe = Scribe(lambda: 0.0, lambda heard: written.extend(heard.facts), gather=3600.0, enough=3)
    for n in range(3):
        scribe.put(n)
    eventually(lambda: len(written) == 3, "three that are enough")
    scribe.put(3)
    assert len(written) == 3
    scribe.hurry()
    eventually(lambda: len(written) == 4, "what is wanted at once")
    assert scribe.close(SECONDS)


def test_whoever_writes_may_ask_to_be_called_again() -> None:
    calls: list[int] = []

    def write(heard: Heard) -> float | None:
        calls.append(len(heard.facts))
        return 0.01 if len(calls) < 3 else None

    scribe = Scribe(lambda: 0.0, write, gather=0.0)
    scribe.put("one")
    eventually(lambda: len(calls) == 3, "the third time")
    assert calls == [1, 0, 0]
    assert scribe.close(SECONDS)
    assert calls == [1, 0, 0]


def test_no_wake_up_is_kept_for_what_was_written_meanwhile() -> None:
    """Each would be a turn of the thread for nothing, and they would pile up under load."""
    go, begun = threading.Event(), threading.Event()

    def write(heard: Heard) -> None:
        begun.set()
        go.wait(SECONDS)

    scribe = Scribe(lambda: 0.0, write, gather=0.0)
    scribe.put(0)
    assert begun.wait(SECONDS)
    for n in range(1, 10):
        scribe.put(n)
        scribe.hurry()
    go.set()
    eventually(lambda: not len(scribe._feed) and scribe._news.empty(), "all is taken")
    assert scribe.close(SECONDS)
