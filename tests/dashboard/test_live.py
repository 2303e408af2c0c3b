"""What runs is shown, and can be given up."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmux.dashboard.live import QUEUED, RUNNING, WAITING, progress_of, state_of
from callmux.rings.ring import Job
from callmux.session.request import Request
from tests.dashboard.tab import CLIENTS, OPS, Tab
from tests.dashboard.test_pages import KINDS
from tests.management.place import Place
from tests.support import planned, real_loop, until
from tests.upstream.fake_link import SILENCE

ON = {"enabled": True}


class Client:
    """An agent whose calls wait."""

    def __init__(self, place: Place) -> None:
        self.place = place

    async def begins(self, name: str, arguments: Any = None, meta: Any = None) -> asyncio.Task[Any]:
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "me"}}
        hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        token = {"authorization": f"Bearer {OPS}"}
        greeted = await self.place.ask("POST", "/mcp", hello, None, **KINDS, **token)
        session = {**KINDS, **token, "mcp-session-id": greeted.headers["mcp-session-id"]}
        asked = {"name": name, "arguments": arguments or {}, **({"_meta": meta} if meta else {})}
        message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asked}
        return asyncio.ensure_future(self.place.ask("POST", "/mcp", message, None, **session))


@real_loop()
async def test_a_call_is_shown_with_its_progress_and_given_up_with_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=CLIENTS)
    await place.host.runtime.settled()
    link = place.links["a"]
    link.script["tools/call"] = lambda params: SILENCE
    calling = await Client(place).begins("t", meta={"progressToken": "p"})
    await until(lambda: link.ids.get("tools/call"), "the call")
    assert link.listener is not None
    from callmux.protocol.jsonrpc import parse

    token = link.heard[-1][1]["_meta"]["progressToken"]
    told = {"progressToken": token, "progress": 3, "total": 10, "message": "third password=hunter2hunter2"}
    line = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
    link.listener.received(parse(line.encode()), None)
    looker, boss = Tab(place), Tab(place)
    await looker.sign_in(OPS)
    await boss.enter()
    (call,) = (await looker.get("/live")).json["calls"]
    assert (call["tool"], call["server"], call["client"], call["principal"]) == ("t", "a", "me", "bearer:ops")
    assert (call["state"], call["cancellable"]) == (RUNNING, True)
    assert (call["progress"]["progress"], call["progress"]["total"]) == (3, 10)
    assert "hunter2" not in call["progress"]["message"]
    assert (await looker.post("/cancel", {"id": call["id"]})).status == 403
    assert not calling.done()
    assert (await boss.post("/cancel", {"id": "zzz"})).json == {"cancelled": False}
    assert (await boss.post("/cancel", {"id": ""})).json == {"cancelled": False}
    assert (await boss.post("/cancel", {"id": call["id"]})).json == {"cancelled": True}
    answer = await calling
    result = answer.body.decode()
    assert "call_given_up" in result
    await until(lambda: any(m == "notifications/cancelled" for m, _ in link.heard), "the server hears of it")
    assert (await boss.get("/live")).json["calls"] == []
    events = (await boss.get("/data")).json["events"]
    assert [(e["status"], e["error"]) for e in events if e["type"] == "tool_call"] == [
        ("error", "call_given_up")
    ]
    await place.close()


@real_loop()
async def test_a_fan_out_is_given_up_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=CLIENTS)
    await place.host.runtime.settled()
    link = place.links["a"]
    link.script["tools/call"] = lambda params: SILENCE
    calls = [{"tool": "t"}, {"tool": "u"}]
    calling = await Client(place).begins("callmux_parallel", {"calls": calls})
    await until(lambda: [m for m, _ in link.heard].count("tools/call") == 2, "both calls")
    boss = Tab(place)
    await boss.enter()
    (call,) = (await boss.get("/live")).json["calls"]
    assert (call["tool"], call["state"]) == ("callmux_parallel", RUNNING)
    assert len(call["downstreamTargets"]) == 2
    assert (await boss.post("/cancel", {"id": call["id"]})).json == {"cancelled": True}
    assert "call_given_up" in (await calling).body.decode()
    cancelled = [m for m, _ in link.heard].count("notifications/cancelled")
    await until(lambda: [m for m, _ in link.heard].count("notifications/cancelled") == 2, "both")
    assert cancelled <= 2
    await place.close()


@pytest.mark.parametrize(
    ("params", "shown"),
    [
        (None, None),
        (b"[]", None),
        (b'{"progress":true,"total":"x","message":5}', {}),
        (b'{"progress":0.5,"message":"half"}', {"progress": 0.5, "message": "half"}),
    ],
)
def test_progress_is_shown_where_it_is_some(params: bytes | None, shown: Any) -> None:
    session: Any = None
    assert progress_of(Request(session, 1, progress=params)) == shown


def test_a_call_that_has_not_gone_out_is_queued_and_one_that_waits_says_so() -> None:
    call = planned()
    assert state_of(call) == QUEUED
    call.number = 1
    assert state_of(call) == RUNNING
    assert state_of(Job(context=call.context)) == WAITING
    assert state_of(None) == RUNNING
