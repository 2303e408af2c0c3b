"""Tools: listed, called, changed; over every carrier."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from .bench import TRANSPARENT, bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, RawServer, Refusal, text

DEFINITION = (
    b'{"name":"a","title":"A \\u00e4 \xc3\xa4","description":"does","icons":[{"src":"data:,",'
    b'"sizes":["48x48"],"theme":"dark","x":1e2}],"inputSchema":{"$schema":"https://json-schema.org/draft/2020-12/schema",'
    b'"type":"object","properties":{"n":{"type":"number","maximum":1.10}}},"outputSchema":{"type":"object"},'
    b'"annotations":{"readOnlyHint":true,"x-own":[]},"execution":{"taskSupport":"optional"},'
    b'"_meta":{"com.example/x":{"deep":[0.10]}},"unknown":null}'
)

RESULT = (
    b'{"content":[{"type":"text","text":"\\ud83d\\ude00 \xf0\x9f\x98\x80","annotations":{"audience":["user"],'
    b'"priority":0.50,"lastModified":"2025-01-12T15:00:58Z"},"_meta":{"a/b":1}},'
    b'{"type":"image","data":"aGk=","mimeType":"image/png"},{"type":"audio","data":"aGk=","mimeType":"audio/wav"},'
    b'{"type":"resource_link","uri":"file:///x","name":"x","icons":[]},'
    b'{"type":"resource","resource":{"uri":"file:///y","mimeType":"text/x","text":"y"}},'
    b'{"type":"hologram","x":{"y":1.0}}],"structuredContent":{"big":12345678901234567890.10,"s":"\\u0000"},'
    b'"_meta":{"com.example/k":[1,2]},"isError":false,"unknown":{"z":1}}'
)


@over_carriers
@interaction("tools.list", "unknown.members")
async def test_a_definition_passes_as_it_was_written(carrier: str, tmp_path: Path) -> None:
    server = RawServer().lists("tools", DEFINITION)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, exposeMetaTools=False) as b:
        client = await b.greeted()
        assert await client.result("tools/list") == b'{"tools":[' + DEFINITION + b"]}"


@interaction("tools.list")
async def test_with_a_prefix_only_the_name_changes() -> None:
    one, two = RawServer("one").lists("tools", DEFINITION), RawServer("two")
    async with bench(one, two, exposeMetaTools=False) as b:
        client = await b.greeted()
        changed = DEFINITION.replace(b'{"name":"a"', b'{"name":"one__a"')
        assert await client.result("tools/list") == b'{"tools":[' + changed + b"]}"


@over_carriers
@over_revisions
@interaction("tools.call", "tools.content", "tools.structured", "unknown.members")
async def test_a_call_and_its_result_pass_byte_for_byte(carrier: str, revision: str, tmp_path: Path) -> None:
    arguments = b'{"n":1.10,"big":9007199254740993,"u":"\\u00e4\xc3\xa4","deep":[[{"":null}]]}'
    server = RawServer(version=revision).has(a=RESULT)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        params = b'{"name":"a","arguments":' + arguments + b',"_meta":{"x/y":1.50},"unknown":[1.0]}'
        assert await client.result("tools/call", params) == RESULT
        line = server.peer.calls["tools/call"][0].line
        assert b'"arguments":' + arguments in line
        assert b'"_meta":{"x/y":1.50}' in line
        assert b'"unknown":[1.0]' in line


@interaction("tools.call")
async def test_a_call_without_arguments_has_none_at_the_server() -> None:
    server = RawServer().has(a=text("1"))
    async with bench(server) as b:
        client = await b.greeted()
        await client.call("a")
        await client.call("a", {})
        first, second = server.peer.calls["tools/call"]
        assert first.params == {"name": "a"}
        assert second.params == {"name": "a", "arguments": {}}


@over_carriers
@interaction("tools.error")
async def test_a_tools_own_error_is_a_result(carrier: str, tmp_path: Path) -> None:
    own = b'{"content":[{"type":"text","text":"no such file"}],"isError":true,"x":1.0}'
    server = RawServer().has(a=own)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        assert await client.result("tools/call", {"name": "a"}) == own


@over_carriers
@interaction("errors.tool")
async def test_a_json_rpc_error_of_a_call_is_an_error_result(carrier: str, tmp_path: Path) -> None:
    def refuse(call: Call) -> Json:
        raise Refusal({"code": -32602, "message": "bad n", "data": {"n": [1, 2.5]}})

    server = RawServer().has(a=refuse)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        result = await client.call("a")
        assert result["isError"] is True
        details = result["structuredContent"]["error"]["details"]
        assert details["jsonRpcCode"] == -32602
        assert details["jsonRpcData"] == {"n": [1, 2.5]}
        assert "bad n" in result["content"][0]["text"]


@over_carriers
@over_revisions
@interaction("tools.list-changed")
async def test_a_client_is_told_when_the_tools_have_changed(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    server = RawServer(version=revision).has(a=text("1"))
    async with bench(server, carrier=carrier, tmp_path=tmp_path, exposeMetaTools=False) as b:
        client = await b.greeted(revision)
        before = await client.request("tools/list")
        server.has(b=text("2"))
        server.peer.tell("notifications/tools/list_changed")
        assert await client.told("notifications/tools/list_changed") is None
        after = await client.request("tools/list")
        assert [tool["name"] for tool in before["tools"]] == ["a"]
        assert [tool["name"] for tool in after["tools"]] == ["a", "b"]
        assert await client.call("b") == text("2")


@interaction("tools.list-changed")
async def test_a_change_that_changes_nothing_is_not_told() -> None:
    server = RawServer().has(a=text("1"))
    async with bench(server) as b:
        client = await b.greeted()
        await client.request("tools/list")
        server.peer.tell("notifications/tools/list_changed")
        await server.peer.asked("tools/list", 2)
        server.has(b=text("2"))
        server.peer.tell("notifications/tools/list_changed")
        await client.told("notifications/tools/list_changed")
        assert len(client.heard("notifications/tools/list_changed")) == 1


KINDS = {
    "tools": ("tools/list", "tools", "name"),
    "prompts": ("prompts/list", "prompts", "name"),
    "resources": ("resources/list", "resources", "uri"),
    "templates": ("resources/templates/list", "resourceTemplates", "uriTemplate"),
}


@over_carriers
@pytest.mark.parametrize("kind", KINDS)
@interaction("pagination.upstream")
async def test_every_page_of_a_list_is_read(carrier: str, kind: str, tmp_path: Path) -> None:
    method, member, key = KINDS[kind]
    cursors = ["1", "2", "äö \\", '{"a":1}']

    def page(call: Call) -> Json:
        cursor = call.params.get("cursor")
        n = 0 if cursor is None else cursors.index(cursor) + 1
        items = [{key: f"x{n}{m}", "name": f"x{n}{m}"} for m in "ab"]
        return {member: items} | ({"nextCursor": cursors[n]} if n < len(cursors) else {})

    server = RawServer(capabilities={"tools": {}, "prompts": {}, "resources": {}}).answers(method, page)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, exposeMetaTools=False) as b:
        client = await b.greeted()
        listed = await client.request(method)
        assert [item[key] for item in listed[member]] == [f"x{n}{m}" for n in range(5) for m in "ab"]
        assert "nextCursor" not in listed


@pytest.mark.parametrize("kind", KINDS)
@interaction("pagination.loop")
async def test_a_list_that_never_ends_hangs_nobody(kind: str) -> None:
    method, member, key = KINDS[kind]
    server = RawServer(capabilities={"tools": {}, "prompts": {}, "resources": {}}).has(a=text("1"))
    server.answers(method, lambda call: {member: [{key: "x", "name": "x"}], "nextCursor": "again"})
    other = RawServer("other").has(b=text("2"))
    async with bench(server, other) as b:
        client = await b.greeted()
        await client.request("tools/list")
        assert await client.call("other__b") == text("2")


@pytest.mark.parametrize("kind", KINDS)
@interaction("pagination.invalid")
async def test_a_cursor_we_did_not_give_is_refused(kind: str) -> None:
    method, member, _ = KINDS[kind]
    server = RawServer(capabilities={"tools": {}, "prompts": {}, "resources": {}})
    async with bench(server) as b:
        client = await b.greeted()
        assert (await client.refused(method, {"cursor": "made up"}))["code"] == -32602
        assert member in await client.request(method, {"_meta": {}})


@over_carriers
@interaction("tools.call")
async def test_calls_run_at_the_same_time_and_answers_find_their_way(carrier: str, tmp_path: Path) -> None:
    """The last call is answered first."""
    calls: list[Call] = []
    all_here = asyncio.Event()

    async def wait(call: Call) -> Json:
        calls.append(call)
        if len(calls) == 5:
            all_here.set()
        await all_here.wait()
        return text(json.dumps(call.params["arguments"]["n"]))

    server = RawServer().has(a=wait)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        results = await asyncio.gather(*(client.call("a", {"n": n}) for n in range(5)))
        assert results == [text(str(n)) for n in range(5)]


@pytest.mark.parametrize("tool", ["nope", "raw__nope", "a b"])
@interaction("transparent.unknown-tool")
async def test_in_the_transparent_mode_a_tool_that_is_not_listed_reaches_the_server(tool: str) -> None:
    """It may have tools that it does not list, and its refusal is its own."""
    server = RawServer().has(a=text("1"))
    async with bench(server, **TRANSPARENT) as b:
        client = await b.greeted()
        error = await client.refused("tools/call", {"name": tool})
        assert error == {"code": -32602, "message": f"no tool {tool}"}
        server.tools[tool] = lambda call: text("secret")
        assert await client.call(tool, {"x": 1}) == text("secret")
        assert server.peer.calls["tools/call"][-1].params == {"name": tool, "arguments": {"x": 1}}


@pytest.mark.parametrize(
    ("entry", "config"), [({"tools": ["a"]}, TRANSPARENT), ({"denyTools": ["b"]}, TRANSPARENT), ({}, {})]
)
@interaction("transparent.unknown-tool")
async def test_what_the_configuration_hides_stays_hidden(entry: Json, config: Json) -> None:
    server = RawServer().has(a=text("1"), b=text("2"))
    async with bench(server, entry=entry, **config) as b:
        client = await b.greeted()
        for name in ("nope", *(["b"] if entry else [])):
            assert (await client.call(name))["isError"]
        assert "tools/call" not in server.peer.calls
