"""A person tries tools, gives calls up, and decides about others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmux.observe.facts import LimitReached
from tests.dashboard.tab import CLIENTS, DEV, OPS, Tab
from tests.management.place import Place
from tests.support import real_loop, until
from tests.upstream.fake_link import SILENCE

ON = {"enabled": True}


@real_loop()
async def test_a_try_shows_what_an_agent_gets_and_what_the_server_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {"content": [{"type": "text", "text": "x" * 60_000}]}
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=CLIENTS, responseShield={"enabled": True})
    await place.host.runtime.settled()
    place.links["a"].script["tools/call"] = long
    tab = Tab(place)
    await tab.sign_in(OPS)
    found = (await tab.post("/call", {"name": "t", "arguments": {"x": 1}})).json
    assert found["server"] == long
    assert len(json.dumps(found["agent"])) < 60_000
    assert (found["status"], found["calls"]) == ("ok", 1)
    assert found["heard"][0]["server"] == "a"
    assert place.links["a"].heard[-1] == ("tools/call", {"name": "t", "arguments": {"x": 1}})
    many = (
        await tab.post(
            "/call", {"name": "callmux_parallel", "arguments": {"calls": [{"tool": "t"}, {"tool": "u"}]}}
        )
    ).json
    assert (many["calls"], many["server"]) == (2, None)
    assert {one["tool"] for one in many["heard"]} == {"t", "u"}
    events = (await tab.get("/data")).json["events"]
    (tried,) = [e for e in events if e["type"] == "tool_call" and e["tool"] == "t"]
    assert (tried["principal"], tried["client"]) == ("bearer:ops", "callmux-dashboard")
    assert tried["requestId"] == found["requestId"]
    assert "xxxx" not in json.dumps(events)
    await place.close()


@real_loop()
async def test_rules_hold_for_a_try_as_for_any_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [
        {"effect": "allow", "principals": ["bearer:*"], "tools": ["callmux_dashboard"]},
        {"effect": "allow", "principals": ["bearer:ops"], "tools": ["*__t"]},
    ]
    place = Place(
        tmp_path,
        monkeypatch,
        dashboard=ON,
        auth=CLIENTS,
        authorization={"rules": rules, "defaultEffect": "deny"},
    )
    await place.host.runtime.settled()
    ops, dev, operator = Tab(place), Tab(place), Tab(place)
    await ops.sign_in(OPS)
    await dev.sign_in(DEV)
    await operator.enter()
    assert (await ops.post("/call", {"name": "t"})).json["status"] == "ok"
    for tab, name in ((ops, "u"), (dev, "t"), (operator, "t")):
        found = (await tab.post("/call", {"name": name})).json
        assert found["status"] == "tool_error"
        assert "authorization" in json.dumps(found["agent"])
        assert (found["calls"], found["server"]) == (0, None)
    assert [method for method, _ in place.links["a"].heard].count("tools/call") == 1
    await place.close()


@real_loop()
async def test_a_browser_that_becomes_somebody_else_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=CLIENTS)
    await place.host.runtime.settled()
    tab = Tab(place)
    await tab.sign_in(OPS)
    await tab.post("/call", {"name": "t"})
    await tab.sign_in(DEV)
    await tab.post("/call", {"name": "t"})
    sessions = (await tab.get("/sessions")).json["sessions"]
    assert sorted(session["principal"] for session in sessions) == ["bearer:dev", "bearer:ops"]
    assert len({session["id"] for session in sessions}) == 2
    await place.close()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), ({}, 400), ({"name": 1}, 400), ({"name": "t", "arguments": []}, 400)],
)
@real_loop()
async def test_what_is_no_call_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: Any, status: int
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    tab = Tab(place)
    await tab.session()
    assert (await tab.post("/call", body)).status == status
    await place.close()


@real_loop()
async def test_the_bounds_on_bodies_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = {"a": {"command": "a", "requestBodyMaxBytes": 100}}
    place = Place(tmp_path, monkeypatch, dashboard=ON, servers=servers, requestBodyMaxBytes=1000)
    await place.host.runtime.settled()
    reached: list[LimitReached] = []
    place.host.bus.subscribe(LimitReached, reached.append)
    tab = Tab(place)
    await tab.session()
    for size in (200, 2000):
        refused = await tab.post("/call", {"name": "t", "arguments": {"x": "x" * size}})
        assert refused.status == 413
        assert "there are" in refused.json["error"]["message"]
    assert [fact.limit for fact in reached] == ["requestBodyMaxBytes"] * 2
    assert (await tab.post("/call", {"name": "t"})).status == 200
    await place.close()


@real_loop()
async def test_a_browser_that_leaves_gives_its_try_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.dashboard.tab import HOST, SAME
    from tests.transport.http.asgi import Call

    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await place.host.runtime.settled()
    link = place.links["a"]
    link.script["tools/call"] = lambda params: SILENCE
    tab = Tab(place)
    await tab.session()
    head = {"host": HOST, **SAME, "content-type": "application/json", "x-callmux-csrf": tab.csrf}
    call = Call("POST", "/dashboard/call", head, b'{"name":"t"}')
    task = asyncio.ensure_future(place.app(call.scope, call.receive, call.send))
    await until(lambda: ("tools/call", {"name": "t", "arguments": {}}) in link.heard, "the call")
    call.leave()
    await task
    assert call.status == 0
    await until(lambda: any(m == "notifications/cancelled" for m, _ in link.heard), "the cancellation")
    await place.close()


@real_loop()
async def test_a_call_that_waits_is_decided_by_a_person_who_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=CLIENTS, approve=["t"])
    await place.host.runtime.settled()
    place.host.desk.reachable = True
    ops, person, script = Tab(place), Tab(place), Tab(place)
    await ops.sign_in(OPS)
    await person.enter()
    await script.enter(person=False)
    trying = asyncio.ensure_future(ops.post("/call", {"name": "t", "arguments": {"word": "show-me"}}))
    await until(lambda: place.host.desk.waiting()["waiting"], "the question")
    shown = (await ops.get("/waiting")).json["approvals"]
    assert "show-me" not in json.dumps(shown)
    assert shown[0]["calls"] == ["a: t (write)"]
    (question,) = (await person.get("/waiting")).json["approvals"]
    assert "show-me" in json.dumps(question["details"])
    for tab in (ops, script):
        assert (await tab.post("/approve", {"id": question["id"], "answer": "allow"})).status == 403
    assert not trying.done()
    assert (await person.post("/approve", {"id": "zzz", "answer": "allow"})).status == 409
    assert (await person.post("/approve", {"id": question["id"], "answer": "perhaps"})).status == 409
    answer = await person.post("/approve", {"id": question["id"], "answer": "allow"})
    assert answer.json == {"id": question["id"], "allowed": True}
    assert (await trying).json["status"] == "ok"
    await place.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@real_loop()
async def test_arguments_on_several_lines_are_one_message_for_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    """A server reads its input line by line: a line in the arguments would be a call that no rule saw."""
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await place.host.runtime.settled()
    link, lines = place.links["a"], list[bytes]()
    send = link.send

    def heard(line: bytes, *more: Any) -> None:
        lines.append(line)
        send(line, *more)

    monkeypatch.setattr(link, "send", heard)
    tab = Tab(place)
    await tab.session()
    hidden = b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"u"}}'
    body = b'{"name":"t","arguments":{"x":' + end + hidden + end + b"}}"
    assert (await tab.post("/call", body)).json["status"] == "ok"
    assert link.heard[-1] == ("tools/call", {"name": "t", "arguments": {"x": json.loads(hidden)}})
    assert not any(b"\n" in line or b"\r" in line for line in map(bytes.rstrip, lines))
    await place.close()


@real_loop()
async def test_arguments_that_no_client_can_send_reach_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await place.host.runtime.settled()
    tab = Tab(place)
    await tab.session()
    refused = await tab.post("/call", b'{"name":"t","arguments":{"x":' + b"[" * 900 + b"]" * 900 + b"}}")
    assert (refused.status, "cannot be sent" in refused.json["error"]) == (400, True)
    assert "tools/call" not in [method for method, _ in place.links["a"].heard]
    await place.close()
