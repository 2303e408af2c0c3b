"""A request and its calls become one record."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.guard.principal import Principal
from callmux.observe import samples
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, RequestEnded
from callmux.observe.fan_outs import FanOuts
from callmux.observe.samples import Sample, Sampler


def call(server: str = "a", tool: str = "t", within: str = "", **more: Any) -> CallEnded:
    return CallEnded(server, "tools/call", tool, tool, 0.01, within, sent=10, request=1, **more)


def ended(name: str = "t", **more: Any) -> RequestEnded:
    given: dict[str, Any] = {"method": "tools/call", "seconds": 0.5, "size": 100, "request": 1}
    return RequestEnded(name=name, **{**given, **more})


def heard(*facts: Any) -> list[Sample]:
    bus, found = Bus(), list[Sample]()
    sampler = Sampler(bus, lambda: 1000.0, found.append)
    for fact in facts:
        bus.publish(fact)
    sampler.leave()
    bus.publish(ended())
    assert not bus.calls
    return found


def test_a_direct_call() -> None:
    who = Principal(kind="bearer", id="ops")
    (one,) = heard(call(), ended("short__t", principal=who, session_id="s", client="c", request_id="r"))
    assert one.targets == (("a", "t", 1),)
    assert (one.tool, one.operation, one.status, one.ok) == ("short__t", "direct", "ok", True)
    assert (one.calls, one.passthrough, one.meta, one.downstream) == (1, 1, 0, 0)
    assert (one.sent, one.received, one.seconds, one.at) == (10, 100, 0.5, 1000.0)
    assert (one.principal, one.session_id, one.client, one.request_id) == ("bearer:ops", "s", "c", "r")
    assert not one.cached


def test_a_fan_out_counts_each_call_of_each_server() -> None:
    within = "callmux_parallel"
    facts = [call(within=within), call(within=within), call("b", within=within, source="cache")]
    (one,) = heard(*facts, ended(within))
    assert one.operation == "parallel"
    assert one.targets == (("a", "t", 2), ("b", "t", 1))
    assert (one.calls, one.passthrough, one.meta, one.downstream, one.sent) == (3, 0, 1, 3, 30)
    assert not one.cached


def test_meta_tools_that_call_nothing_count_as_no_calls() -> None:
    (status,) = heard(ended("callmux_status"))
    assert (status.operation, status.meta, status.passthrough, status.downstream) == ("status", 0, 0, 0)
    (unknown,) = heard(ended("zzz", outcome="failed", code="tool_not_found"))
    assert (unknown.operation, unknown.passthrough, unknown.code) == ("direct", 0, "tool_not_found")
    (one,) = heard(call(within="callmux_call"), ended("callmux_call"))
    assert (one.operation, one.meta, one.downstream) == ("call", 1, 1)


def test_how_it_ended_is_told_apart() -> None:
    """An outage and an abort are no success. Weak spot L44 of callmux (npm)."""
    found = {
        outcome: heard(ended(outcome=outcome))[0] for outcome in ("ok", "tool_error", "failed", "cancelled")
    }
    assert {outcome: (one.status, one.ok) for outcome, one in found.items()} == {
        "ok": ("ok", True),
        "tool_error": ("downstream_error", True),
        "failed": ("error", False),
        "cancelled": ("aborted", False),
    }


def test_only_servers_that_got_a_header_are_told_of_it() -> None:
    """Weak spot L46 of callmux (npm)."""
    within = "callmux_parallel"
    (one,) = heard(
        call("a", "t", within, forwarded=("x-key",)),
        call("a", "t", within, forwarded=("x-key",)),
        call("b", "u", within),
        call("a", "v", within, source="cache", forwarded=("x-key",)),
        ended(within),
    )
    assert one.headers == (("a", "t", "x-key"),)


def test_what_is_from_the_cache_is_told() -> None:
    assert heard(call(source="cache"), ended())[0].cached
    within = "callmux_batch"
    assert heard(call(within=within, source="cache"), call(within=within, source="cache"), ended(within))[
        0
    ].cached


def test_what_is_no_tool_call_is_no_sample() -> None:
    read = CallEnded("a", "resources/read", "file:///x", "file:///x", 0.1, request=1)
    assert heard(read, ended(method="resources/read")) == []
    # Nor does it stay for the next request of that number.
    assert heard(read, ended("callmux_status"))[0].targets == ()


def test_a_call_that_ended_after_its_request_is_nobody_elses() -> None:
    bus, found, now = Bus(), list[Sample](), [100.0]
    Sampler(bus, lambda: now[0], found.append)
    bus.publish(ended())
    bus.publish(call())
    now[0] = 200.0
    bus.publish(ended(seconds=1.0))
    assert [one.targets for one in found] == [(), ()]


def test_calls_without_an_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_PENDING", 2)
    bus, found = Bus(), list[Sample]()
    Sampler(bus, lambda: 1.0, found.append)
    for number in (1, 2, 3):
        bus.publish(CallEnded("a", "tools/call", "t", "t", 0.0, request=number))
    for number in (1, 2, 3):
        bus.publish(ended(request=number))
    assert [len(one.targets) for one in found] == [0, 1, 1]


def test_names_that_clients_make_up_are_cut_and_can_be_written() -> None:
    (one,) = heard(call(tool="x" * 9999), ended("\ud83d" + "y" * 9999, client="c" * 9999))
    assert [len(text) for text in (one.tool, one.client, one.targets[0][1])] == [300, 300, 300]
    assert one.tool.startswith("?y")
    one.tool.encode()


def test_of_a_request_with_several_calls_each_of_its_own_can_be_looked_at() -> None:
    bus, now, fan_outs = Bus(), [100.0], FanOuts()
    Sampler(bus, lambda: now[0], lambda sample: None, fan_outs)
    bus.publish(call(tool="left by an earlier request of that number"))
    now[0] = 200.0
    for tool in ("t", "u"):
        bus.publish(call(tool=tool, within="callmux_parallel"))
    bus.publish(ended("callmux_parallel", request_id="several"))
    bus.publish(call())
    bus.publish(ended(request_id="one"))
    assert [child["tool"] for child in fan_outs.shown("several")["children"]] == ["t", "u"]
    assert fan_outs.shown("one") == {"children": []}
