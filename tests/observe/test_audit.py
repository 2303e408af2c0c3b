"""The audit log has a line for each fact it hears, and nobody waits for it."""

from __future__ import annotations

import json
import threading
from typing import Any

from callmux.config.observing import AuditLog
from callmux.observe.audit import Audit
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, HttpEnded, LimitReached, RequestEnded
from tests.support import SECONDS


def call(**more: Any) -> CallEnded:
    return CallEnded(server="s", method="tools/call", target="t", spelled="t", seconds=0.001, **more)


def http(**more: Any) -> HttpEnded:
    return HttpEnded(request_id="r", method="POST", path="/mcp", route="/mcp", status=200, seconds=0, **more)


def test_what_happens_is_written_in_its_order_until_it_is_closed() -> None:
    bus = Bus()
    written: list[Any] = []
    audit = Audit(AuditLog(enabled=True), bus, lambda: 1.0, written.append)
    bus.publish(call())
    bus.publish(LimitReached(limit="globalRequestsPerMinute"))
    bus.publish(http())
    audit.close(SECONDS)
    bus.publish(call())
    lines = [json.loads(line) for line in b"".join(written).splitlines()]
    assert [line["event"] for line in lines] == ["call", "limit_reached", "http_request"]
    assert (bus.calls, bus.http, bus.requests) == (False, False, False)


def test_a_request_without_http_has_a_line_and_in_a_listener_that_of_its_http_request() -> None:
    for listens in (False, True):
        bus = Bus()
        written: list[Any] = []
        audit = Audit(AuditLog(enabled=True), bus, lambda: 1.0, written.append, listens=listens)
        assert bus.requests is not listens
        bus.publish(RequestEnded(method="tools/list", seconds=0))
        audit.close(SECONDS)
        events = [json.loads(line)["event"] for line in b"".join(written).splitlines()]
        assert events == ([] if listens else ["request"])


def test_keys_of_the_configuration_are_hidden_in_bodies() -> None:
    bus = Bus()
    written: list[Any] = []
    settings = AuditLog(enabled=True, include_request_body=True, redact_keys=("PIN",), max_payload_chars=100)
    audit = Audit(settings, bus, lambda: 1.0, written.append)
    bus.publish(http(body=b'{"pin":"4711","apiKey":"k","plain":"seen"}'))
    audit.close(SECONDS)
    line = json.loads(b"".join(written))
    assert line["payload"] == {"pin": "[redacted]", "apiKey": "[redacted]", "plain": "seen"}


def test_lines_that_found_no_room_are_told() -> None:
    bus, written, go, begun = Bus(), [], threading.Event(), threading.Event()

    def append(lines: bytes) -> None:
        begun.set()
        go.wait(SECONDS)
        written.append(lines)

    audit = Audit(AuditLog(enabled=True), bus, lambda: 1.0, append)
    bus.publish(call())
    assert begun.wait(SECONDS)
    for _ in range(10_003):
        bus.publish(call())
    go.set()
    audit.close(SECONDS)
    events = [json.loads(line) for line in b"".join(written).splitlines()]
    assert len(events) == 10_002
    assert events[-1] == {"event": "lines_dropped", "time": "1970-01-01T00:00:01.000Z", "lines": 3}
