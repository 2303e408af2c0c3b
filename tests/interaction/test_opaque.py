"""What callmux does not understand, and the mode in which it adds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .bench import TRANSPARENT, bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, RawServer, Refusal

ODD = (
    b'{"a":1.0,"b":[1e2,12345678901234567890,-0.0],"c":"\\u00e4\xc3\xa4\\/","d":{"":null},'
    b'"e":{"k":1,"k2":[[[]]]}}'
)


@over_carriers
@over_revisions
@interaction("unknown.client-request", "unknown.members")
async def test_an_unknown_request_passes_byte_for_byte(carrier: str, revision: str, tmp_path: Path) -> None:
    server = RawServer(version=revision).answers("x-vendor/do", b"[" + ODD + b',1.0,"not an object"]')
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        assert await client.result("x-vendor/do", ODD) == b"[" + ODD + b',1.0,"not an object"]'
        assert server.peer.calls["x-vendor/do"][0].line.strip().endswith(b'"params":' + ODD + b"}")


@interaction("unknown.client-request")
async def test_an_unknown_request_without_params_has_none_at_the_server() -> None:
    server = RawServer().answers("x/y", {})
    async with bench(server) as b:
        client = await b.greeted()
        await client.request("x/y")
        await client.request("x/y", {})
        first, second = server.peer.calls["x/y"]
        assert b'"params"' not in first.line
        assert b'"params":{}' in second.line


@interaction("unknown.client-request")
async def test_with_several_servers_an_unknown_request_is_nobodys() -> None:
    one, two = RawServer("one"), RawServer("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        assert (await client.refused("x-vendor/do", {"a": 1}))["code"] == -32601
        assert "x-vendor/do" not in {**one.peer.calls, **two.peer.calls}


@over_carriers
@interaction("errors.pass", "unknown.members")
async def test_an_error_passes_with_code_message_and_data(carrier: str, tmp_path: Path) -> None:
    def refuse(call: Call) -> Json:
        raise Refusal(b'{"code":-31999,"message":"\\u00e4","data":' + ODD + b"}")

    server = RawServer().answers("x-vendor/do", refuse)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        error = await client.refused("x-vendor/do")
        assert (error["code"], error["message"]) == (-31999, "ä")
        assert b'"data":' + ODD in client.lines[-1]


@over_carriers
@over_revisions
@interaction("unknown.client-notification", "unknown.server-notification")
async def test_unknown_notifications_pass_both_ways(carrier: str, revision: str, tmp_path: Path) -> None:
    one, two = RawServer("one", version=revision), RawServer("two", version=revision)
    async with bench(one, two, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        client.notify("notifications/x-vendor/up", ODD)
        client.notify("odd")
        for server in (one, two):
            await server.peer.told("notifications/x-vendor/up")
            await server.peer.told("odd")
            (line,) = [line for line in server.peer.lines if b"x-vendor/up" in line]
            assert (
                line.strip()
                == b'{"jsonrpc":"2.0","method":"notifications/x-vendor/up","params":' + ODD + b"}"
            )
            assert b'{"jsonrpc":"2.0","method":"odd"}' in [line.strip() for line in server.peer.lines]
        two.peer.tell("notifications/x-vendor/down", ODD)
        await client.told("notifications/x-vendor/down")
        line = client.lines[-1]
        assert line == b'{"jsonrpc":"2.0","method":"notifications/x-vendor/down","params":' + ODD + b"}\n"
        one.peer.tell("odd")
        assert await client.told("odd") is None


@over_carriers
@over_revisions
@interaction("transparent.nothing-added", "unknown.members")
async def test_the_transparent_mode_adds_nothing(carrier: str, revision: str, tmp_path: Path) -> None:
    """Each request reaches the server with the params it had, each result the client as it was written."""
    definition = b'{"name":"a","inputSchema":{"type":"object"},"description":"' + b"long " * 2000 + b'"}'
    long = b'{"content":[{"type":"text","text":"' + b"x" * 200_000 + b'"}]}'
    server = RawServer(
        version=revision,
        capabilities={
            "tools": {},
            "prompts": {},
            "resources": {"subscribe": True},
            "completions": {},
            "logging": {},
        },
    )
    server.has(a=long).lists("tools", definition).lists("prompts", b'{"name":"p"}')
    server.lists("resources", b'{"uri":"x:1","name":"x"}').lists(
        "resourceTemplates", b'{"uriTemplate":"t:{x}"}'
    )
    for method in ("prompts/get", "resources/read", "completion/complete", "x/y"):
        server.answers(method, ODD)
    server.answers("resources/subscribe", {}).answers("resources/unsubscribe", {})
    async with bench(server, carrier=carrier, tmp_path=tmp_path, **TRANSPARENT) as b:
        client = await b.greeted(revision)
        assert await client.result("tools/list", {}) == b'{"tools":[' + definition + b"]}"
        assert await client.result("prompts/list", {}) == b'{"prompts":[{"name":"p"}]}'
        assert await client.result("resources/list", {}) == b'{"resources":[{"uri":"x:1","name":"x"}]}'
        templates = b'{"resourceTemplates":[{"uriTemplate":"t:{x}"}]}'
        assert await client.result("resources/templates/list", {}) == templates
        for method, params, result in [
            ("tools/call", b'{"name":"a","arguments":' + ODD + b',"z":1.0}', long),
            ("prompts/get", b'{"name":"p","arguments":{"x":"\\u0041"},"z":1.0}', ODD),
            ("resources/read", b'{"uri":"x:1","z":1.0}', ODD),
            ("resources/subscribe", b'{"uri":"x:1","z":1.0}', b"{}"),
            ("resources/unsubscribe", b'{"uri":"x:1","z":1.0}', b"{}"),
            ("completion/complete", b'{"ref":{"type":"ref/prompt","name":"p"},"argument":{"z":1.0}}', ODD),
            ("logging/setLevel", b'{"level":"info"}', b"{}"),
            ("x/y", ODD, ODD),
        ]:
            assert await client.result(method, params) == result, method
            line = server.peer.calls[method][-1].line.strip()
            assert line.partition(b',"params":')[2] == params + b"}", method
            assert line.startswith(b'{"jsonrpc":"2.0","id":')
        assert client.notes == []


@over_carriers
@interaction("transparent.nothing-added")
async def test_the_transparent_mode_neither_shapes_nor_resolves_arguments(
    carrier: str, tmp_path: Path
) -> None:
    """What would be made a number, an object or a file's text elsewhere is the server's own affair here."""
    schema = b'{"type":"object","properties":{"n":{"type":"integer"},"o":{"type":"object"}}}'
    server = RawServer().has(a={"content": []}).lists("tools", b'{"name":"a","inputSchema":' + schema + b"}")
    async with bench(server, carrier=carrier, tmp_path=tmp_path, **TRANSPARENT) as b:
        client = await b.greeted()
        for arguments in (
            b'{"n":"5","o":"{\\"a\\":1}"}',
            b'{"o":{"$text":"x"}}',
            b'{"o":{"$file":"/nowhere"}}',
            b'{"o":{"$verbatim":{"$text":"x"}}}',
        ):
            params = b'{"name":"a","arguments":' + arguments + b"}"
            assert await client.result("tools/call", params) == b'{"content":[]}'
            assert server.peer.calls["tools/call"][-1].line.strip().endswith(b'"params":' + params + b"}")


@over_carriers
@interaction("transparent.nothing-added", "unknown.members")
async def test_members_beside_lists_and_in_the_greeting_pass(carrier: str, tmp_path: Path) -> None:
    """Beside the items of every list, and in the answer to `initialize`; of each name the first page's."""
    kinds = {"tools": "tools/list", "prompts": "prompts/list", "resources": "resources/list"}
    kinds["resourceTemplates"] = "resources/templates/list"
    greeting = {"protocolVersion": "2025-11-25", "serverInfo": {"name": "raw", "version": "1"}}
    greeting |= {"capabilities": {"tools": {}, "prompts": {}, "resources": {}}, "instructions": "i"}
    own = {**greeting, "_meta": {"k": [1]}, "others": "x", "z": 1.5}

    def page(member: str) -> Any:
        def answer(call: Call) -> Json:
            if "cursor" in call.params:
                return {member: [], "_meta": {"page": 2}, "more": 3}
            return {member: [], "_meta": {"page": 1}, "ttlMs": 5, "nextCursor": "2"}

        return answer

    server = RawServer().answers("initialize", own)
    for member, method in kinds.items():
        server.answers(method, page(member))
    async with bench(server, carrier=carrier, tmp_path=tmp_path, **TRANSPARENT) as b:
        client = b.client()
        assert await client.greet() == own
        for member, method in kinds.items():
            listed = await client.request(method)
            assert listed == {member: [], "_meta": {"page": 1}, "ttlMs": 5, "more": 3}


@interaction("unknown.members")
async def test_members_beside_lists_pass_where_one_server_speaks_for_all() -> None:
    beside = {"tools": [{"name": "a", "inputSchema": {}}], "_meta": {"x": 1}}
    one, two = RawServer("one").answers("tools/list", beside), RawServer("two").answers("tools/list", beside)
    async with bench(one) as b:
        listed = await (await b.greeted()).request("tools/list")
        assert listed["_meta"] == {"x": 1}
        assert "callmux_status" in [tool["name"] for tool in listed["tools"]]
    async with bench(one, two) as b:
        assert list(await (await b.greeted()).request("tools/list")) == ["tools"]


@interaction("unknown.members", "tools.list-changed")
async def test_what_changes_beside_a_list_is_a_change(tmp_path: Path) -> None:
    server = RawServer(capabilities={"tools": {"listChanged": True}})
    server.answers("tools/list", {"tools": [], "_meta": {"v": 1}})
    async with bench(server, **TRANSPARENT) as b:
        client = await b.greeted()
        assert (await client.request("tools/list"))["_meta"] == {"v": 1}
        server.answers("tools/list", {"tools": [], "_meta": {"v": 2}})
        server.peer.tell("notifications/tools/list_changed")
        await client.told("notifications/tools/list_changed")
        assert (await client.request("tools/list"))["_meta"] == {"v": 2}


@over_carriers
@interaction("transparent.errors")
async def test_in_the_transparent_mode_an_error_of_a_call_stays_one(carrier: str, tmp_path: Path) -> None:
    def refuse(call: Call) -> Json:
        raise Refusal(b'{"code":-32602,"message":"bad","data":' + ODD + b"}")

    server = RawServer().has(a=refuse)
    async with bench(server, carrier=carrier, tmp_path=tmp_path, **TRANSPARENT) as b:
        client = await b.greeted()
        error = await client.refused("tools/call", {"name": "a"})
        assert (error["code"], error["message"]) == (-32602, "bad")
        assert b'"data":' + ODD in client.lines[-1]
