"""The calls of a request that made several are shown one by one."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.observe import fan_outs as module
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, RequestEnded
from callmux.observe.fan_outs import FanOuts
from callmux.observe.samples import Sampler

NOW = 1000.0


def call(server: str, target: str, seconds: float, **more: Any) -> CallEnded:
    return CallEnded(server, "tools/call", target, target, seconds, "callmux_parallel", request=1, **more)


def request(id: str = "r", **more: Any) -> RequestEnded:
    given: dict[str, Any] = {"name": "callmux_parallel", "calls": 2, "client": "me", "request": 1}
    return RequestEnded(method="tools/call", seconds=0.5, request_id=id, **{**given, **more})


def test_calls_stand_in_the_order_in_which_they_began() -> None:
    kept = FanOuts()
    slow = call("a", "t", 0.4, waited=0.1, attempts=2, received=7)
    quick = call("b", "u", 0.1, source="cache", attempts=0)
    kept.add(NOW, request(), [(NOW - 0.3, quick), (NOW - 0.05, slow)])
    shown = kept.shown("r")
    assert (shown["tool"], shown["client"], shown["durationMs"]) == ("callmux_parallel", "me", 500)
    first, second = shown["children"]
    assert (first["server"], first["offsetMs"], first["durationMs"]) == ("a", 50, 400)
    assert (first["waitedMs"], first["retries"], first["bytesOut"]) == (100, 1, 7)
    assert (second["tool"], second["offsetMs"], second["source"]) == ("u", 100, "cache")
    assert "retries" not in second
    assert "waitedMs" not in second


def test_a_failed_call_says_why_and_what_to_do() -> None:
    kept = FanOuts()
    failed = call("a", "t", 0.1, outcome="failed", code="downstream_unavailable")
    strange = call("a", "t", 0.1, outcome="failed", code="a code of nobody")
    kept.add(NOW, request(), [(NOW, failed), (NOW, strange)])
    first, second = kept.shown("r")["children"]
    assert (first["status"], first["error"]) == ("failed", "downstream_unavailable")
    assert first["nextStep"].endswith("callmux server test a")
    assert second["error"] == "a code of nobody"
    assert "nextStep" not in second


def test_a_request_says_what_became_of_it() -> None:
    """The page has its event for a while only."""
    kept = FanOuts()
    for outcome, code, ok in (("ok", "", True), ("tool_error", "", True), ("failed", "bad_request", False)):
        kept.add(NOW, request(outcome=outcome, code=code), [(NOW, call("a", "t", 0.1))])
        shown = kept.shown("r")
        assert (shown["status"], shown["ok"], shown.get("error", "")) == (outcome, ok, code)


def test_only_the_latest_requests_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    kept = FanOuts()
    for id in ("a", "b", "c"):
        kept.add(NOW, request(id), [(NOW, call("a", "t", 0.1))])
    assert kept.shown("a") == {"children": []}
    assert len(kept.shown("c")["children"]) == 1
    kept.add(NOW, request(""), [])
    assert kept.shown("") == {"children": []}


def test_the_sampler_hands_on_what_made_several_calls_and_nothing_else() -> None:
    bus, kept = Bus(), FanOuts()
    Sampler(bus, lambda: NOW, lambda sample: None, kept)
    for fact in (call("a", "t", 0.1), request("one"), call("a", "t", 0.1), call("b", "u", 0.1), request()):
        bus.publish(fact)
    assert kept.shown("one") == {"children": []}
    assert [child["server"] for child in kept.shown("r")["children"]] == ["a", "b"]
