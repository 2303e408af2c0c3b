"""A real listener says what happens: who called what, how that ended, and it counts on after a reload.

The weak spots of callmux (npm) under "Observability" that are about calls, names, metrics and the audit log.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import SECONDS, eventually, free_port

from .harness import python_server, stdio, write_config
from .test_listener import HELLO, post, run_listener

Fields = dict[str, Any]


class Watched:
    """A listener whose audit log and metrics are read."""

    def __init__(self, port: int, audit: Path) -> None:
        self.port = port
        self.audit = audit
        _, _, session = post(port, {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
        post(port, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
        self.session = session
        self.id = 0

    def call(self, name: str, arguments: Any = None, **headers: str) -> Any:
        self.id += 1
        params = {"name": name, "arguments": arguments or {}}
        message = {"jsonrpc": "2.0", "id": self.id, "method": "tools/call", "params": params}
        return post(self.port, message, self.session, **headers)[1]["result"]

    def lines(self, event: str) -> list[Fields]:
        text = self.audit.read_text() if self.audit.exists() else ""
        return [line for line in map(json.loads, text.splitlines()) if line["event"] == event]

    def await_lines(self, event: str, enough: Callable[[list[Fields]], bool]) -> list[Fields]:
        eventually(lambda: enough(self.lines(event)), f"lines of {event}")
        return self.lines(event)

    def metrics(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        text = answer.read().decode()
        connection.close()
        return text

    def value(self, name: str, **labels: str) -> float | None:
        for line in self.metrics().splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if labels.items() <= found.items():
                    return float(match[3])
        return None


def scripted(tmp_path: Path, name: str, **tools: str) -> list[str]:
    """A server whose tools answer with these lines."""
    script = {
        "pages": [[json.dumps({"name": tool, "inputSchema": {"type": "object"}}) for tool in ("ok", *tools)]],
        "answers": {tool: [line] for tool, line in tools.items()},
    }
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(script))
    return python_server("scripted_server.py", path, tmp_path / f"{name}.log")


BAD = '{"jsonrpc":"2.0","id":$ID,"result":{"content":[],"isError":true}}'


def test_each_call_of_a_fan_out_is_told_with_its_server_its_tool_and_its_outcome(
    tmp_path: Path,
) -> None:
    """An outage is an error, an alias is not taken for a server, and counters survive a reload.

    Weak spot L45 of callmux (npm).
    """
    port, audit = free_port(), tmp_path / "audit.jsonl"
    # Its tools are listed as `short__...`; a bare tool has `__` in its own name.
    servers = {
        "alpha": stdio(scripted(tmp_path, "alpha", bad=BAD, two__parts=BAD), prefix="short"),
        "gone": stdio(["/nonexistent/server"]),
    }
    config = write_config(
        tmp_path / "config.json", servers, auditLog={"enabled": True, "path": "audit.jsonl"}
    )
    with run_listener(tmp_path, config, port):
        watched = Watched(port, audit)
        watched.call("short__ok")
        calls = [{"tool": "short__ok"}, {"tool": "short__bad"}, {"tool": "short__two__parts"}]
        watched.call("callmux_parallel", {"calls": calls}, **{"x-request-id": "fan-1"})
        refused = watched.call("callmux_call", {"tool": "gone__x", "server": "gone"})
        assert refused["isError"]
        lines = watched.await_lines("call", lambda found: len(found) >= 4)
        shown = sorted((n["server"], n["tool"], n.get("within", ""), n["outcome"]) for n in lines[:4])
        assert shown == [
            ("alpha", "bad", "callmux_parallel", "tool_error"),
            ("alpha", "ok", "", "ok"),
            ("alpha", "ok", "callmux_parallel", "ok"),
            ("alpha", "two__parts", "callmux_parallel", "tool_error"),
        ]
        assert {n["httpRequestId"] for n in lines if n.get("within") == "callmux_parallel"} == {"fan-1"}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", n["time"]) for n in lines)
        whole = watched.await_lines(
            "http_request", lambda found: any(n["requestId"] == "fan-1" for n in found)
        )
        assert sum(n["requestId"] == "fan-1" for n in whole) == 1

        assert watched.value("callmux_calls_total", server="alpha", tool="ok", outcome="ok") == 2
        assert watched.value("callmux_calls_total", server="alpha", tool="bad", outcome="tool_error") == 1
        assert watched.value("callmux_calls_total", server="short") is None
        assert watched.value("callmux_call_duration_seconds_count", server="alpha", tool="ok") == 2
        assert watched.value("callmux_server_up", server="alpha") == 1
        assert watched.value("callmux_server_up", server="gone") == 0
        assert (
            watched.value("callmux_server_events_total", server="gone", event="connect_failure") is not None
        )

        write_config(config, servers, auditLog={"enabled": True, "path": "audit.jsonl"}, maxConcurrency=7)
        eventually(lambda: watched.value("callmux_reloads_total", outcome="ok") == 1)
        watched.call("short__ok")
        assert watched.value("callmux_calls_total", server="alpha", tool="ok", outcome="ok") == 3


def test_a_server_that_dies_under_a_call_shows_as_a_failure_and_not_as_an_answer(
    tmp_path: Path,
) -> None:
    """Weak spot L44 of callmux (npm)."""
    port, audit = free_port(), tmp_path / "audit.jsonl"
    servers = {"alpha": stdio(scripted(tmp_path, "alpha", dies="no answer, and then the end"))}
    config = write_config(
        tmp_path / "config.json",
        servers,
        auditLog={"enabled": True, "path": "audit.jsonl"},
        callTimeoutMs=500,
    )
    with run_listener(tmp_path, config, port):
        watched = Watched(port, audit)
        assert watched.call("dies")["isError"]
        (line,) = watched.await_lines("call", bool)
        assert (line["outcome"], line["code"], line["category"]) == ("failed", "tool_call_failed", "timeout")
        assert watched.value("callmux_call_failures_total", server="alpha", reason="timeout") == 1
        assert watched.value("callmux_calls_total", server="alpha", tool="dies", outcome="failed") == 1
