"""What the dashboard, its counts and its database say of calls: the right server, the right outcome.

The weak spots of callmux (npm) that are about events, from the request of a client to what a person sees.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.live.test_listener import HELLO
from tests.management.place import Place
from tests.support import real_loop
from tests.transport.http.asgi import Call, post

SERVERS = {
    "alpha": {"command": "alpha", "prefix": "short"},
    "web": {"url": "http://web.example/mcp", "forwardHeaders": ["X-User-Key"]},
    "bad": {"command": "bad"},
    "needs": {"command": "needs", "requireSessionCwd": True},
    "wide": {"command": "wide"},
}


class Client:
    """A session at a listener without a network."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.id: str | None = None

    async def send(self, message: Any, **headers: str) -> Call:
        call = post(message, self.id, **headers)
        await self.place.app(call.scope, call.receive, call.send)
        return call

    async def greet(self) -> None:
        await self.place.host.runtime.settled()
        self.id = (await self.send({"id": 0, "method": "initialize", "params": HELLO})).headers[
            "mcp-session-id"
        ]
        await self.send({"method": "notifications/initialized"})

    async def call(self, name: str, arguments: Any = None, **headers: str) -> Any:
        params = {"name": name, "arguments": arguments or {}}
        answer = await self.send({"id": 1, "method": "tools/call", "params": params}, **headers)
        text = answer.body.decode()
        if not text.startswith("{"):
            text = [line[6:] for line in text.splitlines() if line.startswith("data: ")][-1]
        return json.loads(text)["result"]


@real_loop()
async def test_events_counts_and_the_database_name_servers_and_tell_outages_from_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alias is no server; a header is told for the server that got it; what never reached a server is no
    success.

    Weak spots L44, L45 and L46 of callmux (npm).
    """
    place = Place(
        tmp_path,
        monkeypatch,
        servers=SERVERS,
        dashboard={"enabled": True},
        eventStore={"enabled": True},
        metrics={"enabled": True},
    )
    client = Client(place)
    await client.greet()
    assert not (await client.call("short__t")).get("isError")
    calls = [{"tool": "short__t"}, {"tool": "web__u"}, {"tool": "wide__t"}]
    both = await client.call("callmux_parallel", {"calls": calls}, **{"x-user-key": "k-123456789"})
    assert not both.get("isError"), both
    codes = {}
    for name, code in (("bad", "downstream_unavailable"), ("needs", "session_cwd_unresolved")):
        refused = await client.call("callmux_call", {"tool": "t", "server": name})
        assert refused["isError"], refused
        assert code in str(refused)
        codes[name] = code

    data = (await place.ask("GET", "/dashboard/data", token=None)).json
    events = [event for event in data["events"] if event["type"] == "tool_call"]
    direct, fan, *refusals = events
    assert (direct["server"], direct["targetTool"]) == ("alpha", "t")
    assert {target["server"] for target in fan["downstreamTargets"]} == {"alpha", "web", "wide"}
    assert [(event["status"], event["success"]) for event in refusals] == [("error", False)] * 2
    assert [event["error"] for event in refusals] == list(codes.values())
    assert data["summary"]["recentErrors"] >= 2
    assert {row["server"] for row in data["metrics"]["servers"]} <= set(SERVERS)
    assert data["metrics"]["totals"]["errors"] == 2

    past = (await place.ask("GET", "/dashboard/drilldown", token=None)).json
    assert past["totals"]["calls"] == 4
    assert past["totals"]["errors"] == 2
    by_server = {row["name"]: row["calls"] for row in past["byServer"]}
    assert (by_server["alpha"], by_server["web"]) == (2, 1)
    assert not by_server.keys() - SERVERS.keys() - {"(none)"}
    (header,) = past["forwardedHeaders"]
    assert (header["server"], header["tool"], header["headerName"]) == ("web", "u", "x-user-key")
    assert "k-123456789" not in str(past) + str(data)
    await place.close()
    assert b"k-123456789" not in (tmp_path / "callmux-events.sqlite").read_bytes()
