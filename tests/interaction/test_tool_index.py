"""The index of tools that stands in place of their definitions, as clients of every kind get it.

What it takes, and that its bytes stay, is tested in `tests/router/test_index_pages.py`; here is who is
shown what.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from callmux.router.text_size import CUT
from callmux.router.tool_index import LEGEND, SEARCH
from tests.support import real_loop, settle, until

from .bench import Client, bench
from .modern_raw_server import ModernRawServer
from .raw_server import Call, Json, RawServer, Refusal, text
from .requirements import requirement
from .test_capabilities import MODERN

INDEX: Json = {"metaOnly": True, "toolIndexTokens": 1500}
META: Json = MODERN["_meta"]
CHANGED = "notifications/tools/list_changed"
SCHEMA: Json = {
    "type": "object",
    "properties": {"number": {"type": "integer"}, "full": {"type": "boolean"}},
    "required": ["number"],
}


def tool(name: str, schema: Json = SCHEMA) -> Json:
    return {"name": name, "description": "Good for something", "inputSchema": schema}


def server(name: str, *tools: str, **more: Any) -> RawServer:
    return RawServer(name, **more).lists("tools", *map(tool, tools))


def shown(listing: bytes | Json) -> str:
    """All descriptions of a listing."""
    tools = (json.loads(listing) if isinstance(listing, bytes) else listing)["tools"]
    found = []
    for one in tools:
        found.append(one.get("description", ""))
        found += [p.get("description", "") for p in one["inputSchema"].get("properties", {}).values()]
    return "\n".join(found)


async def listing(client: Client) -> bytes:
    return await client.result("tools/list")


@requirement("tools.list")
async def test_a_client_reads_what_there_is_and_needs_no_search() -> None:
    async with bench(server("a", "get_issue"), server("b", "add"), **INDEX) as at:
        client = await at.greeted()
        listed = shown(await listing(client))
        assert LEGEND in listed
        assert "## a__:\nget_issue(number:int, full?:bool) Good for something" in listed
        assert "## b__:\nadd(" in listed
        assert SEARCH not in listed


@pytest.mark.parametrize("keys", [{"metaOnly": True}, {"toolIndexTokens": 1500}, {}])
@requirement("tools.list")
async def test_without_both_keys_everything_is_as_it_was(keys: Json) -> None:
    async with bench(server("a", "get_issue"), **keys) as at:
        client = at.client()
        greeting = await client.greet()
        assert LEGEND not in shown(await listing(client))
        assert "number of tools" not in greeting["instructions"]


@requirement("tools.list")
async def test_instructions_name_the_servers_within_what_clients_show() -> None:
    servers = [server(f"s{n:02}", "t", greeting={"instructions": f"Says {n}. " * 60}) for n in range(12)]
    async with bench(*servers, **INDEX) as at:
        await at.greeted()
        greeting = await at.client().greet()
        assert "number of tools: s00 1, s01 1," in greeting["instructions"]
        assert len(greeting["instructions"]) <= CUT
        assert greeting["instructions"].count("## s") >= 5


@requirement("tools.list")
async def test_a_client_without_a_handshake_gets_the_same() -> None:
    for kind in (RawServer, ModernRawServer):
        one = kind("a").lists("tools", tool("get_issue"))
        async with bench(one, server("b", "add"), **INDEX) as at:
            greeted = await at.greeted()
            client = at.client()
            told = (await client.send("server/discover", {"_meta": META}))["result"]
            assert "number of tools: a 1, b 1." in told["instructions"]
            listed = (await client.send("tools/list", {"_meta": META}))["result"]
            assert listed["tools"] == json.loads(await listing(greeted))["tools"]


@requirement("tools.list")
async def test_a_profile_shows_what_is_in_it_and_nothing_else() -> None:
    recipes = {
        "mine": {"mode": "call", "tool": "a__get_issue"},
        "theirs": {"mode": "call", "tool": "b__secret"},
    }
    profiles = {"work": {"servers": ["a"], "tools": ["get_issue"]}}
    both = [server("a", "get_issue", "hidden"), server("b", "secret")]
    async with bench(*both, recipes=recipes, profiles=profiles, profile="work", **INDEX) as at:
        client = await at.greeted()
        listed = shown(await listing(client))
        greeting = await at.client().greet()
        assert "get_issue(" in listed
        assert "mine()" in listed
        for word in ("hidden", "secret", "theirs", "b__"):
            assert word not in listed
        assert "number of tools: a 1." in greeting["instructions"]


@requirement("tools.list")
async def test_denied_tools_are_not_in_it() -> None:
    entry = {"denyTools": ["delete"]}
    async with bench(server("a", "get_issue", "delete"), entry=entry, **INDEX) as at:
        listed = shown(await listing(await at.greeted()))
        assert "get_issue(" in listed
        assert "delete" not in listed


@requirement("tools.list-changed")
async def test_a_client_is_told_when_the_index_is_another_one_and_only_then() -> None:
    one = server("a", "get_issue")
    async with bench(one, server("b", "add"), **INDEX) as at:
        client = await at.greeted()
        before = await listing(client)
        one.peer.tell(CHANGED)
        await settle()
        assert client.heard(CHANGED) == []
        one.lists("tools", tool("get_issue"), tool("close_issue"))
        one.peer.tell(CHANGED)
        await client.told(CHANGED)
        after = await listing(client)
        assert "close_issue(" in shown(after)
        one.lists("tools", tool("get_issue"))
        one.peer.tell(CHANGED)
        await client.until(lambda c: len(c.heard(CHANGED)) == 2)
        assert await listing(client) == before


@requirement("tools.list")
async def test_what_a_server_says_in_another_order_changes_no_byte() -> None:
    """Starts, crashes and changed lists, with tools, parameters and servers in any order."""
    chance = random.Random(18)
    names = [f"tool_{n:02}" for n in range(4)]
    keys = list("abc")
    found: set[bytes] = set()

    def any_order(name: str) -> Json:
        properties = list(SCHEMA["properties"].items())
        return tool(name, {**SCHEMA, "properties": dict(chance.sample(properties, len(properties)))})

    def reorder(one: RawServer) -> None:
        one.lists("tools", *(any_order(name) for name in chance.sample(names, len(names))))

    for _ in range(10):
        servers = [RawServer(key) for key in chance.sample(keys, len(keys))]
        for one in servers:
            reorder(one)
        async with bench(*servers, **INDEX) as at:
            client = await at.greeted()
            found.add(await listing(client))
            for _ in range(9):
                one = chance.choice(servers)
                reorder(one)
                if chance.random() < 0.5:
                    await at.host.restart(one.name, "a test")
                else:
                    one.peer.tell(CHANGED)
                await settle()
                found.add(await listing(client))
            assert client.heard(CHANGED) == []
    assert len(found) == 1


@requirement("tools.list")
async def test_a_server_that_comes_late_stands_at_the_end() -> None:
    late, gate = server("a", "late_one"), asyncio.Event()
    greet = late.handlers["initialize"]

    async def slowly(call: Call) -> Any:
        await gate.wait()
        return greet(call)

    late.answers("initialize", slowly)
    async with bench(late, server("b", "add"), listWaitMs=1, **INDEX) as at:
        client = at.client()
        await client.greet()
        before = shown(await listing(client))
        assert "late_one" not in before
        gate.set()
        await client.told(CHANGED)
        after = shown(await listing(client))
        assert after.index("## b__") < after.index("## a__") < after.index("late_one(")


@real_loop()
@requirement("tools.list")
async def test_a_second_process_tells_the_same_before_its_servers_are_up(tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state"), "HOME": str(tmp_path)}
    told = []

    def kept() -> list[Path]:
        files = (tmp_path / "state" / "callmux" / "listings").glob("*.json")
        return [path for path in files if b'"tools"' in path.read_bytes()]

    for again in (False, True):
        one, gate = server("a", "get_issue"), asyncio.Event()
        if again:
            greet = one.handlers["initialize"]

            async def slowly(call: Call, gate: asyncio.Event = gate, greet: Any = greet) -> Any:
                await gate.wait()
                return greet(call)

            one.answers("initialize", slowly)
        async with bench(one, env=env, tmp_path=tmp_path, greets_late=False, **INDEX) as at:
            if not again:
                await at.greeted()
                await until(kept, "the listing is kept")
            client = at.client()
            greeting = await client.greet()
            told.append((greeting["instructions"], await listing(client)))
            gate.set()
            await at.host.runtime.settled()
            assert await listing(client) == told[-1][1]
            assert client.heard(CHANGED) == []
    assert told[0] == told[1]
    assert "number of tools: a 1." in told[0][0]


def strict(*, as_error: bool) -> RawServer:
    """A server that refuses wrong arguments: with an error of the protocol, or with a result."""

    def get_issue(call: Call) -> Json:
        if "number" in call.params.get("arguments", {}):
            return text("the issue")
        if as_error:
            raise Refusal({"code": -32602, "message": "number is missing"})
        return text("What issue?", isError=True)

    one = RawServer("a").has(get_issue=get_issue)
    return one.lists("tools", tool("get_issue"))


both_ways = pytest.mark.parametrize("as_error", [True, False])
WRONG: Json = {"tool": "a__get_issue", "arguments": {"issue": 7}}
RIGHT: Json = {"tool": "a__get_issue", "arguments": {"number": 7}}


@both_ways
@requirement("tools.error")
async def test_a_wrong_argument_is_answered_with_the_schema(as_error: bool) -> None:
    async with bench(strict(as_error=as_error), server("b", "add"), **INDEX) as at:
        client = await at.greeted()
        for result in (
            await client.call("callmux_call", WRONG),
            await client.call("a__get_issue", WRONG["arguments"]),
        ):
            assert result["isError"] is True
            assert json.loads(result["content"][-1]["text"])["inputSchema"] == SCHEMA
        assert (await client.call("callmux_call", RIGHT))["content"] == text("the issue")["content"]


@both_ways
@requirement("tools.error")
async def test_calls_that_fail_among_several_show_it_once(as_error: bool) -> None:
    recipe = {"mode": "call", "tool": "a__get_issue", "arguments": {"issue": 1}}
    keys = {**INDEX, "recipes": {"wrong": recipe}}
    async with bench(strict(as_error=as_error), server("b", "add"), **keys) as at:
        client = await at.greeted()
        many = (await client.call("callmux_parallel", {"calls": [WRONG, RIGHT, WRONG]}))["structuredContent"]
        assert many["failedIndexes"] == [0, 2]
        assert [entry.get("inputSchema") for entry in many["results"]] == [SCHEMA, None, None]
        items = [{"arguments": {}}, {"arguments": {"number": 1}}, {"arguments": {}}]
        batch = (await client.call("callmux_batch", {"tool": "a__get_issue", "items": items}))[
            "structuredContent"
        ]
        assert [entry.get("inputSchema") for entry in batch["results"]] == [SCHEMA, None, None]
        chain = (await client.call("callmux_pipeline", {"steps": [RIGHT, WRONG]}))["structuredContent"]
        assert [step.get("inputSchema") for step in chain["steps"]] == [None, SCHEMA]
        ran = await client.call("callmux_recipe_run", {"recipe": "wrong"})
        assert json.loads(ran["content"][-1]["text"])["inputSchema"] == SCHEMA
        dry = {"mode": "parallel", "calls": [WRONG, RIGHT, WRONG]}
        seen = (await client.call("callmux_dry_run", dry))["structuredContent"]
        assert [item.get("inputSchema") for item in seen["items"]] == [SCHEMA, None, None]


@both_ways
@requirement("tools.error")
async def test_where_schemas_are_listed_a_refusal_stays_as_it_is(as_error: bool) -> None:
    either: list[Json] = [{}, {"metaOnly": True}]
    for keys in either:
        async with bench(strict(as_error=as_error), server("b", "add"), **keys) as at:
            client = await at.greeted()
            assert len((await client.call("callmux_call", WRONG))["content"]) == 1
            many = (await client.call("callmux_parallel", {"calls": [WRONG]}))["structuredContent"]
            assert "inputSchema" not in many["results"][0]
            dry = {"mode": "call", **WRONG}
            (item,) = (await client.call("callmux_dry_run", dry))["structuredContent"]["items"]
            assert "inputSchema" not in item


@requirement("tools.error")
async def test_a_guess_at_a_tool_that_only_others_are_listed_shows_no_schema() -> None:
    def tools(call: Call) -> Json:
        asks = "sampling" in call.peer.greeting["capabilities"]
        return {"tools": [tool("plain"), *([tool("get_issue")] if asks else [])]}

    one = strict(as_error=True).answers("tools/list", tools)
    async with bench(one, server("b", "add"), single=False, **INDEX) as at:
        at.host.start(None)
        await at.host.runtime.settled()
        asking = await at.greeted(capabilities={"sampling": {}})
        other = await at.greeted()
        assert "get_issue(" in shown(await listing(asking))
        assert "get_issue(" not in shown(await listing(other))
        dry = {"mode": "call", **WRONG}
        for client, schema in ((asking, SCHEMA), (other, None)):
            result = await client.call("callmux_call", WRONG)
            assert ("inputSchema" in result["content"][-1]["text"]) == (schema is not None)
            many = (await client.call("callmux_parallel", {"calls": [WRONG]}))["structuredContent"]
            assert many["results"][0].get("inputSchema") == schema
            (item,) = (await client.call("callmux_dry_run", dry))["structuredContent"]["items"]
            assert item.get("inputSchema") == schema
