"""Tasks of MCP 2025-11-25, in both directions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .bench import bench, interaction, over_carriers
from .raw_server import Call, Json, RawServer, text

TASKS: Json = {
    "tools": {},
    "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
}
STATUS = "notifications/tasks/status"


def task(id: str, status: str = "working") -> bytes:
    return (
        b'{"taskId":"%b","status":"%b","createdAt":"2025-11-25T10:30:00Z","lastUpdatedAt":"2025-11-25T10:30:00Z",'
        b'"ttl":6e4,"pollInterval":5000,"unknown":1.50}' % (id.encode(), status.encode())
    )


def server(name: str = "raw", prefix: str = "") -> RawServer:
    """A server whose tool is always a task."""
    made = RawServer(name, capabilities=TASKS, version="2025-11-25")
    made.has(
        a=lambda call: (
            b'{"task":' + task(f"{prefix}t{len(call.peer.calls['tools/call'])}") + b',"_meta":{"n":1.0}}'
        )
    )
    made.answers("tasks/get", lambda call: task(call.params["taskId"], "completed"))
    made.answers(
        "tasks/result",
        b'{"content":[{"type":"text","text":"\\u0041"}],"_meta":{"io.modelcontextprotocol/related-task":'
        b'{"taskId":"t1"}},"n":1.0}',
    )
    made.answers("tasks/cancel", lambda call: task(call.params["taskId"], "cancelled"))
    return made.answers("tasks/list", b'{"tasks":[' + task(f"{prefix}t1") + b"]}")


@over_carriers
@interaction("tasks.create", "tasks.follow", "tasks.list", "unknown.members")
async def test_a_task_is_made_and_followed(carrier: str, tmp_path: Path) -> None:
    raw = server()
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = b.client()
        assert (await client.greet())["capabilities"]["tasks"] == TASKS["tasks"]
        created = await client.result(
            "tools/call", {"name": "a", "arguments": {}, "task": {"ttl": 60000, "x": 1}}
        )
        assert created == b'{"task":' + task("t1") + b',"_meta":{"n":1.0}}'
        assert raw.peer.calls["tools/call"][0].params["task"] == {"ttl": 60000, "x": 1}
        params = {"taskId": "t1", "_meta": {"m": 1}, "unknown": 2}
        for method, expected in [
            ("tasks/get", task("t1", "completed")),
            ("tasks/cancel", task("t1", "cancelled")),
        ]:
            assert await client.result(method, params) == expected
            assert raw.peer.calls[method][0].params == params
        assert b'"n":1.0' in await client.result("tasks/result", params)
        assert await client.result("tasks/list") == b'{"tasks":[' + task("t1") + b"]}"


@interaction("tasks.create", "tasks.follow")
async def test_a_task_may_be_asked_for_without_arguments() -> None:
    raw = server()
    async with bench(raw) as b:
        client = await b.greeted()
        assert "task" in await client.request("tools/call", {"name": "a", "task": {}})
        assert raw.peer.calls["tools/call"][0].params == {"name": "a", "task": {}}


@interaction("tasks.follow", "merge.other-servers")
async def test_tasks_of_several_servers_are_followed_where_they_live() -> None:
    one, two = server("one", "1"), server("two", "2")
    async with bench(one, two) as b:
        client = await b.greeted()
        await client.request("tools/call", {"name": "one__a", "task": {}})
        await client.request("tools/call", {"name": "two__a", "task": {}})
        for raw, id in ((one, "1t1"), (two, "2t1")):
            for method in ("tasks/get", "tasks/result", "tasks/cancel"):
                await client.request(method, {"taskId": id})
                assert [call.params["taskId"] for call in raw.peer.calls[method]] == [id]


@interaction("tasks.list")
async def test_the_tasks_of_several_servers_are_listed_together() -> None:
    one, two, three = server("one", "1"), server("two", "2"), RawServer("three")
    async with bench(one, two, three) as b:
        client = await b.greeted()
        await client.request("tools/call", {"name": "one__a", "task": {}})
        await client.request("tools/call", {"name": "two__a", "task": {}})
        listed = await client.result("tasks/list")
        assert listed == b'{"tasks":[' + task("1t1") + b"," + task("2t1") + b"]}"
        assert "tasks/list" not in three.peer.calls


@interaction("tasks.strange")
async def test_a_task_of_nobody_is_refused() -> None:
    async with bench(server("one", "1"), server("two", "2")) as b:
        client = await b.greeted()
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            assert (await client.refused(method, {"taskId": "nope"}))["code"] == -32602


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel", "tasks/list"])
@interaction("tasks.strange")
async def test_a_session_cannot_reach_the_task_of_another(method: str) -> None:
    """Its own tasks it can reach, so the other one is refused for not being its own."""
    raw, other = server("raw", "1"), RawServer("other")
    async with bench(raw, other, single=False) as b:
        mine, theirs = await b.greeted(), await b.greeted()
        await mine.request("tools/call", {"name": "raw__a", "task": {}})
        if method == "tasks/list":
            assert json.loads(await theirs.result(method)) == {"tasks": []}
            return
        assert (await theirs.refused(method, {"taskId": "1t1"}))["code"] == -32602
        assert method not in raw.peer.calls
        await mine.request(method, {"taskId": "1t1"})


@over_carriers
@interaction("tasks.status")
async def test_the_status_passes_in_both_directions(carrier: str, tmp_path: Path) -> None:
    raw = server()
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities={"tasks": {"requests": {"sampling": {"createMessage": {}}}}})
        raw.peer.tell(STATUS, task("t1"))
        await client.told(STATUS)
        assert client.lines[-1].endswith(task("t1") + b"}\n")
        client.notify(STATUS, task("c1"))
        await raw.peer.told(STATUS)
        assert raw.peer.lines[-1].strip().endswith(task("c1") + b"}")


@over_carriers
@interaction("tasks.client")
async def test_a_server_follows_a_task_at_the_client(carrier: str, tmp_path: Path) -> None:
    answers = {
        "sampling/createMessage": b'{"task":' + task("c1") + b"}",
        "tasks/get": task("c1", "completed"),
        "tasks/result": b'{"role":"assistant","content":{"type":"text","text":"\\u0041"},"n":1.0}',
        "tasks/list": b'{"tasks":[]}',
        "tasks/cancel": task("c1", "cancelled"),
    }

    async def ask(call: Call) -> Json:
        await call.ask(
            "sampling/createMessage", {"maxTokens": 1, "task": {"ttl": 1}}, id="sampling/createMessage"
        )
        for method in list(answers)[1:]:
            await call.ask(method, {"taskId": "c1"}, id=method)
        return text("done")

    raw = server().has(a=ask)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities={"tasks": {"list": {}, "cancel": {}}, "sampling": {}})
        client.answers.update(answers)
        assert await client.call("a") == text("done")
        assert [question["method"] for question in client.asked] == list(answers)
        assert client.asked[0]["params"]["task"] == {"ttl": 1}
        for method, body in answers.items():
            assert raw.peer.answers[method].strip().endswith(b'"result":' + body + b"}")


@interaction("tasks.follow", "tasks.list")
async def test_tasks_of_two_servers_that_have_one_id_are_told_apart() -> None:
    """The second one is renamed, in whatever names it, and back again towards its server."""
    one, two = server("one"), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        ids = []
        for name in ("one", "two"):
            result = await client.request("tools/call", {"name": f"{name}__a", "task": {}})
            ids.append(result["task"]["taskId"])
        assert ids == ["t1", "two:t1"]
        for raw, id in ((one, "t1"), (two, "two:t1")):
            found = await client.request("tasks/get", {"taskId": id, "x": 1})
            assert (found["taskId"], found["status"], found["unknown"]) == (id, "completed", 1.5)
            assert raw.peer.calls["tasks/get"][-1].params["taskId"] == "t1"
            meta = (await client.request("tasks/result", {"taskId": id}))["_meta"]
            assert meta["io.modelcontextprotocol/related-task"]["taskId"] == id
            raw.peer.tell(STATUS, task("t1", "failed"))
            told = await client.told(STATUS, len(client.heard(STATUS)) + 1)
            assert told["taskId"] == id
            assert (await client.request("tasks/cancel", {"taskId": id}))["taskId"] == id
        listed = await client.request("tasks/list")
        assert [found["taskId"] for found in listed["tasks"]] == ids
        assert len(one.peer.calls["tasks/get"]) == len(two.peer.calls["tasks/get"]) == 1
