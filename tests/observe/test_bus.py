"""Facts reach whoever listens, and nobody else pays for it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, HttpEnded, ListsChanged, Reloaded, RequestEnded, ServerDown


def test_a_fact_reaches_those_who_listen_to_its_kind_in_the_order_in_which_they_came() -> None:
    bus = Bus()
    heard: list[Any] = []
    bus.subscribe(ServerDown, lambda fact: heard.append(("first", fact.server)))
    bus.subscribe(ServerDown, lambda fact: heard.append(("second", fact.reason)))
    bus.subscribe(Reloaded, lambda fact: heard.append(("reload", "")))
    bus.publish(ServerDown(server="a", reason="gone"))
    bus.publish(ListsChanged(server="a"))
    assert heard == [("first", "a"), ("second", "gone")]
    assert repr(bus) == "Bus(2 to ServerDown, 1 to Reloaded)"


def test_who_leaves_hears_nothing_more_and_leaving_twice_does_no_harm() -> None:
    bus = Bus()
    heard: list[Any] = []
    leave = bus.subscribe(Reloaded, heard.append)
    other = bus.subscribe(Reloaded, heard.append)
    leave()
    leave()
    bus.publish(Reloaded())
    assert heard == [Reloaded()]
    other()
    assert not bus.hears(Reloaded)


def test_a_listener_that_raises_harms_nobody_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    heard: list[Any] = []

    def broken(fact: Reloaded) -> None:
        raise ValueError("no room")

    bus.subscribe(Reloaded, broken)
    bus.subscribe(Reloaded, heard.append)
    with caplog.at_level(logging.ERROR, "callmux"):
        bus.publish(Reloaded())
        bus.publish(Reloaded(error="x"))
    assert heard == [Reloaded(), Reloaded(error="x")]
    assert [r.getMessage() for r in caplog.records] == [
        "a listener to Reloaded failed, and is told of further ones all the same: ValueError('no room')"
    ]


def test_what_happens_with_every_call_shows_whether_anybody_listens() -> None:
    bus, turns = Bus(), []
    bus.turned = lambda: turns.append((bus.calls, bus.requests, bus.http))
    leave = bus.subscribe(CallEnded, lambda fact: None)
    bus.subscribe(CallEnded, lambda fact: None)
    bus.subscribe(RequestEnded, lambda fact: None)
    bus.subscribe(HttpEnded, lambda fact: None)
    bus.subscribe(Reloaded, lambda fact: None)
    leave()
    assert turns == [(True, False, False), (True, True, False), (True, True, True)]


def test_whoever_keeps_a_way_of_calls_hears_that_they_are_followed() -> None:
    bus, turned = Bus(), []
    bus.turned = lambda: turned.append(bus.tracer)
    tracer: Any = object()
    bus.trace_with(tracer)
    bus.trace_with(None)
    assert turned == [tracer, None]
