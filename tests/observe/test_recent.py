"""The latest events, for people who look."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.guard.principal import Principal
from callmux.observe.bus import Bus
from callmux.observe.facts import (
    ApprovalAnswered,
    ApprovalAsked,
    CallRetried,
    ConnectFailed,
    Denied,
    HttpEnded,
    LimitReached,
    Reloaded,
    ServerDown,
    ServersManaged,
    ServerUp,
    SignInNeeded,
    ToolSuiteChanged,
)
from callmux.observe.recent import Recent, is_error, words_of
from tests.observe.test_history import NOW, sample

WHO = Principal(kind="bearer", id="ops")


def http(status: int = 200, path: str = "/mcp", **more: Any) -> HttpEnded:
    return HttpEnded("r", "GET", path, path, status, 0.01, **more)


def recent(most: int = 5) -> tuple[Bus, Recent]:
    bus = Bus()
    return bus, Recent(bus, lambda: NOW, most, lambda path: path.startswith("/dashboard"))


def test_the_latest_are_kept_and_all_are_counted() -> None:
    bus, events = recent(2)
    for status in (200, 500, 404):
        bus.publish(http(status, "/x"))
    bus.publish(http(path="/dashboard/data"))
    assert [event["status"] for event in events.shown()] == [500, 404]
    assert events.summary()["eventCount"] == 2
    assert events.summary()["totalEvents"] == 3
    assert events.summary()["recentErrors"] == 2
    events.resize(1)
    assert (events.most, [event["status"] for event in events.shown()]) == (1, [404])
    events.leave()
    bus.publish(http())
    assert events.total == 3
    assert not bus.http


def test_a_page_of_events_goes_backwards_and_says_where_the_next_one_begins() -> None:
    bus, events = recent(4)
    assert events.page(10, 5) == {"events": [], "next": None}
    for status in range(200, 206):
        bus.publish(http(status))

    def page(before: int, limit: int) -> tuple[list[int], int | None]:
        found = events.page(before, limit)
        return [event["status"] for event in found["events"]], found["next"]

    assert page(100, 3) == ([205, 204, 203], 4)
    assert page(4, 3) == ([202], None)
    assert page(3, 3) == ([], None)
    assert page(100, 0) == ([], None)
    assert page(6, 2) == ([204, 203], 4)


def test_calls_are_counted_by_what_they_are() -> None:
    _, events = recent()
    events.add(sample())
    events.add(sample(tool="callmux_batch", operation="batch", targets=(("a", "t", 2),)))
    summary = events.summary()
    assert summary["passthroughToolCalls"] == 1
    assert summary["callmuxMetaToolCalls"] == summary["callmuxToolCalls"] == 1
    assert summary["callmuxDownstreamToolCalls"] == 2
    assert summary["totalDownstreamToolCalls"] == summary["realToolCalls"] == 3
    direct, batch = events.shown()
    assert (direct["type"], direct["tool"], direct["server"], direct["success"]) == (
        "tool_call",
        "t",
        "a",
        True,
    )
    assert batch["downstreamTargets"] == [{"server": "a", "tool": "t", "count": 2}]
    assert "server" not in batch


def test_who_listens_hears_each_event_until_it_leaves() -> None:
    bus, events = recent()
    heard: list[Any] = []
    leave = events.listen(lambda at, event: heard.append((at, event)))
    bus.publish(Reloaded())
    assert events.listening == 1
    leave()
    bus.publish(Reloaded())
    assert heard == [(NOW, Reloaded())]
    assert events.listening == 0


@pytest.mark.parametrize(
    ("fact", "kind", "words", "wrong"),
    [
        (http(principal=WHO), "http_request", {"principal": "bearer:ops"}, False),
        (http(404), "http_request", {"sessionReinit": True}, False),
        (http(499), "http_request", {"status": 499}, False),
        (http(499, "/messages"), "http_request", {}, True),
        (sample(status="aborted"), "tool_call_lifecycle", {"lifecycle": "client_aborted"}, True),
        (sample(cached=True), "tool_call", {"cacheHit": True}, False),
        (Reloaded(error="bad"), "config_reload", {"success": False, "error": "bad"}, True),
        (
            ToolSuiteChanged(server="a", generation=2, added=("x",), removed=("y",)),
            "tool_suite_changed",
            {"addedTools": ["x"], "removedTools": ["y"]},
            False,
        ),
        (ServersManaged(action="add_server", server="a", by="management:o"), "server_managed", {}, False),
        (
            ServersManaged(action="add_server", server="a", by="m", error="no"),
            "server_managed",
            {"success": False},
            True,
        ),
        (
            CallRetried(server="a", target="t", category="transport", reason="lost"),
            "call_retried",
            {"tool": "t"},
            False,
        ),
        (ServerUp(server="a", again=True, seconds=0.1, tools=3), "server_up", {"tools": 3}, False),
        (ServerDown(server="a", reason="gone"), "server_down", {"error": "gone"}, True),
        (
            ConnectFailed(server="a", reason="no", attempt=1, next_seconds=2.0),
            "connect_failed",
            {"nextRetryMs": 2000},
            True,
        ),
        (
            ConnectFailed(server="a", reason="no", attempt=1, next_seconds=None),
            "connect_failed",
            {"attempt": 1},
            True,
        ),
        (LimitReached(limit="x"), "limit_reached", {"limit": "x"}, False),
        (LimitReached(limit="x", principal=WHO), "limit_reached", {"principal": "bearer:ops"}, False),
        (Denied(rule="r", server="a", target="t"), "denied", {"rule": "r", "tool": "t"}, False),
        (Denied(rule="r", principal=WHO), "denied", {"principal": "bearer:ops"}, False),
        (
            ApprovalAsked(question="q", how="terminal", calls=("a: t",)),
            "approval_asked",
            {"calls": ["a: t"]},
            False,
        ),
        (
            ApprovalAnswered(question="q", answer="allowed", how=""),
            "approval_answered",
            {"answer": "allowed"},
            False,
        ),
        (SignInNeeded(server="a"), "sign_in_needed", {"server": "a"}, False),
    ],
)
def test_each_kind_is_put_into_words(fact: Any, kind: str, words: dict[str, Any], wrong: bool) -> None:
    shown = words_of(NOW, fact)
    assert shown["type"] == kind
    assert shown["timestamp"].endswith("Z")
    assert words.items() <= shown.items()
    assert bool(is_error(fact)) is wrong


def test_what_others_write_is_cut_and_without_secrets() -> None:
    shown = words_of(NOW, sample(tool="x" * 900, client="ghp_0123456789abcdefghij0123456789abcdef"))
    assert len(shown["tool"]) == 500
    assert "ghp_" not in shown["client"]
    assert words_of(NOW, sample(tool="\ud83d"))["tool"] == "?"
    wrong = "cannot use ghp_0123456789abcdefghij0123456789abcdef"
    for fact in (Reloaded(error=wrong), ServersManaged(action="add_server", server="a", by="m", error=wrong)):
        assert "ghp_" not in words_of(NOW, fact)["error"]


def test_what_requests_brought_is_not_kept() -> None:
    bus, events = recent()
    bus.publish(http(body=b"arguments"))
    assert [event.body for _, event in events._events] == [None]
