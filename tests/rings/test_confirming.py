"""No call goes out without a person's word, whatever way it took."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.approval.place import HINTS, Ledger, code_of, place
from tests.support import real_loop, settle


@real_loop()
@pytest.mark.parametrize("tier", list(HINTS))
@pytest.mark.parametrize("rule", list(HINTS))
async def test_a_direct_call_is_asked_about_by_its_tier(tier: str, rule: str) -> None:
    async with place(rule) as here:
        here.person("once")
        order = list(HINTS)
        await here.client.call(tier, {"x": 1})
        assert len(here.asked) == (order.index(tier) >= order.index(rule))
        assert here.effects == [(tier, {"x": 1})]


@real_loop()
@pytest.mark.parametrize("spelling", ["write", "led__write"])
@pytest.mark.parametrize("pattern", ["write*", "led__wr*", "led__write"])
async def test_a_pattern_holds_for_every_spelling(spelling: str, pattern: str) -> None:
    async with place(pattern) as here:
        here.person("deny")
        for result in (
            await here.client.call(spelling),
            await here.client.call("callmux_call", {"tool": spelling}),
            await here.client.call("callmux_call", {"tool": spelling, "server": "led"}),
        ):
            assert code_of(result) == "approval_denied"
        assert here.effects == []


@real_loop()
async def test_a_prefix_or_a_short_name_is_no_way_around() -> None:
    server = Ledger()
    server.hints["a_tool_with_a_name_that_is_so_long_that_it_is_cut_for_clients"] = {}
    async with place("led__a_tool_*", server=server, entry={"prefix": "x"}) as here:
        here.person("deny")
        listed = (await here.client.request("tools/list"))["tools"]
        names = [tool["name"] for tool in listed if "a_tool" in tool["name"]]
        for name in (*names, "a_tool_with_a_name_that_is_so_long_that_it_is_cut_for_clients"):
            assert code_of(await here.client.call(name)) == "approval_denied"
        assert here.effects == []


@real_loop()
async def test_prompts_and_resources_are_asked_about_as_reading() -> None:
    async with place("read") as here:
        here.person("deny", "deny", "once")
        for method, params in (
            ("prompts/get", {"name": "led__hello", "arguments": {"a": "b"}}),
            ("resources/read", {"uri": "led:///one"}),
        ):
            error = await here.client.refused(method, params)
            assert error["data"]["code"] == "approval_denied"
        assert here.effects == []
        assert 'led: hello (read, prompts/get)\n   {"arguments":{"a":"b"}}' in here.asked[0]
        assert "led: led:///one (read, resources/read)" in here.asked[1]
        await here.client.request("prompts/get", {"name": "led__hello"})
        await here.client.request("resources/read", {"uri": "led:///one"})
        assert here.effects == [("prompts/get", "hello"), ("resources/read", "led:///one")]
        assert len(here.asked) == 4


@real_loop()
async def test_what_is_remembered_of_a_resource_is_for_that_one() -> None:
    server = Ledger()
    server.lists("resources", {"uri": "led:///one", "name": "1"}, {"uri": "led:///two", "name": "2"})
    async with place("read", server=server) as here:
        here.person("session")
        for uri in ("led:///one", "led:///two", "led:///one"):
            await here.client.request("resources/read", {"uri": uri})
        assert len(here.asked) == 2


@real_loop()
async def test_what_programs_do_by_themselves_is_not_asked_about() -> None:
    server = Ledger()
    server.capabilities = {**server.capabilities, "completions": {}, "resources": {"subscribe": True}}
    server.answers("completion/complete", {"completion": {"values": ["a"]}})
    server.answers("resources/subscribe", {})
    async with place("read", "*", server=server) as here:
        ref = {"type": "ref/prompt", "name": "led__hello"}
        await here.client.request(
            "completion/complete", {"ref": ref, "argument": {"name": "a", "value": "b"}}
        )
        await here.client.request("resources/subscribe", {"uri": "led:///one"})
        assert here.asked == []


@real_loop()
async def test_a_method_that_nobody_knows_is_asked_about_as_writing() -> None:
    server = Ledger()
    server.answers("x/do", lambda call: server.effects.append(("x/do", call.params)) or {})  # type: ignore[func-returns-value]
    async with place("write", server=server) as here:
        here.person("deny", "once")
        error = await here.client.refused("x/do", {"a": 1})
        assert error["data"]["code"] == "approval_denied"
        assert here.effects == []
        await here.client.request("x/do", {"a": 1})
        assert here.effects == [("x/do", {"a": 1})]
        assert '{"a":1}' in here.asked[0]


@real_loop()
async def test_a_call_that_makes_a_task_is_asked_about_and_what_follows_is_not() -> None:
    server = Ledger()
    server.capabilities = {**server.capabilities, "tasks": {"requests": {"tools": {"call": {}}}}}
    task = {"taskId": "t1", "status": "working", "createdAt": "2025-01-01T00:00:00Z", "ttl": 1000}
    server.answers("tools/call", lambda call: server.effects.append(("task", 0)) or {"task": task})  # type: ignore[func-returns-value]
    server.answers("tasks/get", task)
    server.answers("tasks/result", {"content": []})
    async with place("write", server=server) as here:
        here.person("deny", "once")
        assert code_of(await here.client.call("write", {}, task={"ttl": 1000})) == "approval_denied"
        assert here.effects == []
        made = await here.client.call("write", {}, task={"ttl": 1000})
        assert here.effects == [("task", 0)]
        for method in ("tasks/get", "tasks/result"):
            await here.client.request(method, {"taskId": made["task"]["taskId"]})
        assert len(here.asked) == 2


@real_loop()
async def test_an_answer_from_the_cache_is_asked_about_too() -> None:
    async with place("read", cacheTtlSeconds=60) as here:
        here.person("once", "once", "deny")
        await here.client.call("read", {"x": 1})
        await here.client.call("read", {"x": 1})
        assert here.effects == [("read", {"x": 1})]
        assert code_of(await here.client.call("read", {"x": 1})) == "approval_denied"


@real_loop()
async def test_equal_reads_at_the_same_time_are_asked_about_one_by_one() -> None:
    """Nobody gets what somebody else was allowed."""

    async with place("read") as here:
        here.person("once", "deny")
        results = await asyncio.gather(*(here.client.call("read", {"x": 1}) for _ in range(2)))
        assert [bool(result.get("isError")) for result in results] == [False, True]
        assert len(here.effects) == 1


@real_loop()
async def test_arguments_are_asked_about_as_the_schema_shapes_them() -> None:
    server = Ledger()
    server.schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    async with place("write", server=server) as here:
        here.person("once")
        await here.client.call("write", {"n": "5"})
        assert here.effects == [("write", {"n": 5})]
        assert '{"n":5}' in here.asked[0]


@real_loop()
async def test_in_the_transparent_mode_calls_are_asked_about_too() -> None:
    from tests.interaction.bench import TRANSPARENT

    async with place("write", **TRANSPARENT) as here:
        here.person("deny", "once")
        assert here.host.runtime.is_transparent
        assert code_of(await here.client.call("write", {"x": 1})) == "approval_denied"
        await here.client.call("write", {"x": 1})
        # One that is not listed may write.
        await here.client.call("unlisted", {})
        await here.client.call("read", {})
        assert len(here.asked) == 3
        assert [name for name, _ in here.effects] == ["write", "unlisted", "read"]


@real_loop()
async def test_a_tool_that_changes_while_its_call_waits_is_not_called() -> None:
    async with place("write") as here:
        await here.client.request("tools/list")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        here.client.answers["elicitation/create"] = lambda message: answer
        call = here.client.send("tools/call", {"name": "write", "arguments": {}})
        await here.question()
        here.server.schema = {"type": "object", "properties": {"new": {"type": "string"}}}
        here.server.peer.tell("notifications/tools/list_changed")
        await here.client.told("notifications/tools/list_changed")
        answer.set_result({"action": "accept", "content": {"decision": "once"}})
        result = (await call)["result"]
        assert code_of(result) == "approval_unavailable"
        assert "has changed" in result["structuredContent"]["error"]["message"]
        assert here.effects == []


@real_loop()
async def test_the_time_of_a_call_begins_when_it_is_allowed() -> None:
    """A person may take longer than a call may."""

    async with place("write", callTimeoutMs=50) as here:
        loop = asyncio.get_running_loop()

        async def late(message: Any) -> Any:
            end = loop.time() + 0.1
            while loop.time() < end:
                await asyncio.sleep(0.01)
            return {"action": "accept", "content": {"decision": "once"}}

        here.client.answers["elicitation/create"] = late
        assert not (await here.client.call("write", {})).get("isError")
        calls = [{"tool": "write", "timeoutMs": 50}]
        result = await here.client.call("callmux_parallel", {"calls": calls})
        assert result["structuredContent"]["succeeded"] == 1
        assert len(here.effects) == 2


@real_loop()
async def test_a_call_that_waits_holds_no_slot() -> None:
    async with place("write", maxConcurrency=1) as here:
        waiting = here.client.send("tools/call", {"name": "write"})
        await here.question()
        await here.client.call("read")
        await settle()
        assert not waiting.done()
        assert here.effects == [("read", None)]


@real_loop()
@pytest.mark.parametrize("way", ["direct", "parallel", "prompt"])
async def test_what_a_rule_forbids_nobody_is_asked_about(way: str) -> None:
    rules = [{"effect": "deny", "tools": ["led__write", "led__hello"]}]

    async with place("read", authorization={"rules": rules}, stdioPrincipal="stdio:me") as here:
        if way == "direct":
            assert (await here.client.call("write"))["isError"]
        elif way == "parallel":
            calls = [{"tool": "read"}, {"tool": "write"}]
            assert (await here.client.call("callmux_parallel", {"calls": calls}))["isError"]
        else:
            await here.client.refused("prompts/get", {"name": "led__hello"})
        assert here.asked == []
        assert here.effects == []
