"""What servers and clients have always sent is taken, whatever carries it; what we send is strict.

The official SDKs decide what is usual: the Python one takes nearly all of this, the TypeScript one refuses a
whole message for one null.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .bench import TRANSPARENT, bench, interaction, over_carriers
from .raw_server import Call, Json, Peer, RawServer, Refusal, text

MARK = b"\xef\xbb\xbf"


def dumped(message: Json) -> bytes:
    return json.dumps(message).encode()


def all_members(message: Json) -> Json:
    """As a serializer writes a record with one member for everything."""
    return {
        "jsonrpc": "2.0",
        "id": None,
        "method": None,
        "params": None,
        "result": None,
        "error": None,
    } | message


SPELLINGS: dict[str, Callable[[Json], bytes]] = {
    "an error that is null": lambda m: dumped({**m, "error": None} if "result" in m else m),
    "an error that is null, first": lambda m: dumped({"error": None, **m} if "result" in m else m),
    "a result that is null": lambda m: dumped({**m, "result": None} if "error" in m else m),
    "every member": lambda m: dumped(all_members(m)),
    "ids as text": lambda m: dumped({**m, "id": str(m["id"])} if "id" in m and "method" not in m else m),
    "ids as fractions": lambda m: dumped(
        {**m, "id": float(m["id"])} if "id" in m and "method" not in m else m
    ),
    "a byte order mark": lambda m: MARK + dumped(m),
    "no revision": lambda m: dumped({k: v for k, v in m.items() if k != "jsonrpc"}),
    "unknown members": lambda m: dumped({"x": None, **m, "time": 1}),
    "spaces at both ends": lambda m: b"  " + dumped(m) + b" \r",
}
over_spellings = pytest.mark.parametrize("spelling", SPELLINGS)


class Spelling(RawServer):
    """A server that writes every message in a way of its own."""

    spelling = "every member"

    def connect(self, write: Callable[[bytes, Call | None], None]) -> Peer:
        spell = SPELLINGS[self.spelling]
        return super().connect(lambda line, about: write(spell(json.loads(line)), about))


@over_spellings
@over_carriers
@interaction("lenience.messages")
async def test_a_server_may_spell_its_messages_its_own_way(
    carrier: str, spelling: str, tmp_path: Path
) -> None:
    """Greeting, lists, results, refusals, progress and questions."""

    async def asks(call: Call) -> Json:
        call.tell("notifications/progress", {"progressToken": call.token, "progress": 1})
        answer = await call.ask("roots/list")
        return text(json.dumps(answer["result"]))

    def refuses(call: Call) -> Json:
        raise Refusal({"code": -32042, "message": "sign in", "data": {"elicitations": []}})

    server = Spelling(capabilities={"tools": {}, "prompts": {}})
    server.spelling = spelling
    server.has(asks=asks, refuses=refuses)
    server.lists("prompts", {"name": "p"})
    async with bench(server, carrier=carrier, tmp_path=tmp_path, **TRANSPARENT) as b:
        client = await b.greeted(capabilities={"roots": {}})
        client.answers["roots/list"] = {"roots": []}
        assert [t["name"] for t in (await client.request("tools/list"))["tools"]] == ["asks", "refuses"]
        assert (await client.request("prompts/list"))["prompts"] == [{"name": "p"}]
        assert await client.call("asks", _meta={"progressToken": "t"}) == text('{"roots": []}')
        assert await client.told("notifications/progress") == {"progressToken": "t", "progress": 1}
        error = await client.refused("tools/call", {"name": "refuses"})
        assert error == {"code": -32042, "message": "sign in", "data": {"elicitations": []}}
        assert [
            set(json.loads(line)) - {"jsonrpc", "id", "method", "params"}
            for line in client.lines
            if b'"method"' in line
        ] == [set()] * 2


KINDS = {
    "tools": ("tools/list", "tools", "name"),
    "prompts": ("prompts/list", "prompts", "name"),
    "resources": ("resources/list", "resources", "uri"),
    "templates": ("resources/templates/list", "resourceTemplates", "uriTemplate"),
}
EVERYTHING: Json = {"tools": {}, "prompts": {}, "resources": {}}
LISTS: dict[str, Any] = {
    "null": (None, []),
    "a null in it": ({"": [None, "a", None, 5, "b"]}, ["a", "b"]),
    "nothing": ({}, []),
    "a null list": ({"": None}, []),
    "a null list and cursor": ({"": None, "nextCursor": None, "_meta": None}, []),
    "an empty cursor": ({"": ["a"], "nextCursor": ""}, ["a"]),
    "a null cursor": ({"": ["a"], "nextCursor": None}, ["a"]),
    "a cursor that is no text": ({"": ["a"], "nextCursor": 5}, ["a"]),
    "a cursor that stands still": ({"": ["a", "b"], "nextCursor": "x"}, ["a", "b"]),
    "no list": ({"": 5}, None),
    "a refusal": (Refusal({"code": -32603, "message": "no"}), None),
}


def page(kind: str, names: list[Any], **more: Any) -> Json:
    _, member, key = KINDS[kind]
    schema = {"inputSchema": {"type": "object"}} if kind == "tools" else {}
    items = [{key: n, "name": n, **schema} if isinstance(n, str) else n for n in names]
    return {member: items, **more}


def listing(kind: str, answer: Any) -> Any:
    if isinstance(answer, Refusal) or answer is None:
        return answer
    rest = {name: value for name, value in answer.items() if name}
    if not isinstance(answer.get(""), list):
        return rest | ({KINDS[kind][1]: answer[""]} if "" in answer else {})
    return page(kind, answer[""], **rest)


def serve(server: RawServer, kind: str, answer: Any) -> None:
    def give(call: Call) -> Any:
        if isinstance(answer, Refusal):
            raise answer
        return b"null" if answer is None else answer

    server.answers(KINDS[kind][0], give)


async def listed(client: Any, kind: str) -> list[str]:
    method, member, key = KINDS[kind]
    result = await client.request(method)
    assert not set(result) - {member}, result
    return [item[key] for item in result[member]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spelling", LISTS)
@interaction("lenience.lists")
async def test_one_list_costs_no_other(spelling: str, kind: str) -> None:
    answer, expected = LISTS[spelling]
    server = RawServer(capabilities=EVERYTHING)
    for other in KINDS:
        serve(server, other, page(other, [f"{other}1"]))
    serve(server, kind, listing(kind, answer))
    async with bench(server, RawServer("up").has(z=text("z")), exposeMetaTools=False) as b:
        client = await b.greeted()
        for other in KINDS:
            names = [name for name in await listed(client, other) if name != "up__z"]
            if other == kind:
                wanted = expected or []
            else:
                # A server that cannot list its tools is down, and comes back by itself.
                wanted = [] if expected is None and kind == "tools" else [f"{other}1"]
            assert [name.rpartition("__")[2] for name in names] == wanted, other


FAILING_PAGES: dict[str, Any] = {
    "a refusal": Refusal({"code": -32602, "message": "what cursor?"}),
    "no such method": Refusal({"code": -32601, "message": "no"}),
    "no list": {"": 5},
    "null": None,
    "nothing": {},
    "an earlier cursor": {"": ["b"], "nextCursor": "2"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failing", FAILING_PAGES)
@interaction("lenience.lists")
async def test_what_came_before_a_page_that_fails_counts(failing: str, kind: str) -> None:
    server = RawServer(capabilities=EVERYTHING)
    method = KINDS[kind][0]

    def give(call: Call) -> Any:
        if "cursor" not in call.params:
            return page(kind, ["a"], nextCursor="2")
        answer = listing(kind, FAILING_PAGES[failing])
        if isinstance(answer, Refusal):
            raise answer
        return b"null" if answer is None else answer

    server.answers(method, give)
    async with bench(server, exposeMetaTools=False) as b:
        client = await b.greeted()
        expected = ["a", "b"] if failing == "an earlier cursor" else ["a"]
        assert await listed(client, kind) == expected


@pytest.mark.parametrize("kind", KINDS)
@interaction("lenience.lists")
async def test_a_changed_list_that_cannot_be_had_whole_stays_as_it_was(kind: str) -> None:
    server = RawServer(capabilities=EVERYTHING)
    broken = False

    def give(call: Call) -> Any:
        if "cursor" not in call.params:
            return page(kind, ["a", "new"] if broken else ["a"], nextCursor="2")
        if broken:
            raise Refusal({"code": -32603, "message": "no"})
        return page(kind, ["b"])

    server.answers(KINDS[kind][0], give)
    async with bench(server, exposeMetaTools=False) as b:
        client = await b.greeted()
        assert await listed(client, kind) == ["a", "b"]
        broken = True
        peer = server.peer
        method = KINDS[kind][0]
        changed = "resources" if kind == "templates" else kind
        peer.tell(f"notifications/{changed}/list_changed")
        await peer.asked(method, 4)
        await client.request("ping")
        assert await listed(client, kind) == ["a", "b"]
        broken = False
        server.answers(method, lambda call: page(kind, ["c"]))
        peer.tell(f"notifications/{changed}/list_changed")
        await client.told(f"notifications/{changed}/list_changed")
        assert await listed(client, kind) == ["c"]


def nulls(*names: str) -> Json:
    return dict.fromkeys(names)


DEFINITIONS: dict[str, tuple[Json, Json]] = {
    "tools": (
        {
            "name": "a",
            "inputSchema": None,
            **nulls("title", "description", "annotations", "outputSchema", "icons", "execution", "_meta"),
        },
        {"name": "a", "inputSchema": {"type": "object"}},
    ),
    "prompts": (
        {
            "name": "a",
            "arguments": [{"name": "x", **nulls("description", "required", "title")}],
            "icons": None,
        },
        {"name": "a", "arguments": [{"name": "x"}]},
    ),
    "resources": (
        {
            "uri": "a",
            "name": "a",
            "annotations": nulls("audience", "priority"),
            **nulls("size", "mimeType", "title"),
        },
        {"uri": "a", "name": "a", "annotations": {}},
    ),
    "templates": (
        {
            "uriTemplate": "a",
            "name": "a",
            "icons": [{"src": "i", "sizes": None}],
            **nulls("mimeType", "_meta"),
        },
        {"uriTemplate": "a", "name": "a", "icons": [{"src": "i"}]},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@interaction("lenience.values")
async def test_a_definition_has_no_null_where_clients_refuse_it(kind: str) -> None:
    method, member, _ = KINDS[kind]
    given, shown = DEFINITIONS[kind]
    unknown = {"x-unknown": None, "_meta": {"a": None}}
    server = RawServer(capabilities=EVERYTHING).answers(method, {member: [{**given, **unknown}, {}, None]})
    async with bench(server, **TRANSPARENT) as b:
        client = await b.greeted()
        first, *_ = (await client.request(method))[member]
        assert first == {**shown, **unknown}


@interaction("lenience.values")
async def test_a_tool_without_a_schema_gets_one_and_null_in_schemas_stays() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"default": None, "enum": [None, 1], "description": None}},
    }
    server = RawServer().lists("tools", {"name": "a"}, {"name": "b", "inputSchema": schema, "title": None})
    async with bench(server, **TRANSPARENT) as b:
        client = await b.greeted()
        assert (await client.request("tools/list"))["tools"] == [
            {"name": "a", "inputSchema": {"type": "object"}},
            {"name": "b", "inputSchema": schema},
        ]


RESULTS: dict[str, tuple[str, Json, Any, Any]] = {
    "null": ("tools/call", {"name": "a"}, b"null", {}),
    "content": ("tools/call", {"name": "a"}, {"content": None}, {"content": []}),
    "members": (
        "tools/call",
        {"name": "a"},
        {"content": [], **nulls("isError", "structuredContent", "_meta"), "x": None},
        {"content": [], "x": None},
    ),
    "blocks": (
        "tools/call",
        {"name": "a"},
        {
            "content": [
                {"type": "text", "text": "1", **nulls("annotations", "_meta")},
                {"type": "text", "text": None},
                {"type": "resource_link", "uri": "u", "name": "u", **nulls("size", "mimeType", "title")},
                {"type": "resource", "resource": {"uri": "u", "blob": "AA==", **nulls("text", "mimeType")}},
                {"type": "x", "x": None},
            ],
            "structuredContent": {"content": None, "description": None},
        },
        {
            "content": [
                {"type": "text", "text": "1"},
                {"type": "text", "text": ""},
                {"type": "resource_link", "uri": "u", "name": "u"},
                {"type": "resource", "resource": {"uri": "u", "blob": "AA=="}},
                {"type": "x", "x": None},
            ],
            "structuredContent": {"content": None, "description": None},
        },
    ),
    "a prompt": (
        "prompts/get",
        {"name": "p"},
        {
            "description": None,
            "messages": [{"role": "user", "content": {"type": "text", "text": "t", "_meta": None}}],
        },
        {"messages": [{"role": "user", "content": {"type": "text", "text": "t"}}]},
    ),
    "a prompt without messages": ("prompts/get", {"name": "p"}, {"messages": None}, {"messages": []}),
    "a resource": (
        "resources/read",
        {"uri": "u"},
        {"contents": [{"uri": "u", "text": "t", **nulls("blob", "mimeType", "_meta")}]},
        {"contents": [{"uri": "u", "text": "t"}]},
    ),
    "a resource without contents": ("resources/read", {"uri": "u"}, {"contents": None}, {"contents": []}),
    "a completion": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "x", "value": ""}},
        {"completion": {"values": None, "total": None, "hasMore": None}},
        {"completion": {"values": []}},
    ),
}


@pytest.mark.parametrize("what", RESULTS)
@pytest.mark.parametrize("config", [{}, TRANSPARENT], ids=["usual", "transparent"])
@interaction("lenience.values")
async def test_a_result_has_no_null_where_clients_refuse_it(what: str, config: Json) -> None:
    method, params, given, shown = RESULTS[what]
    server = RawServer(capabilities={**EVERYTHING, "completions": {}}).has(a=text(""))
    server.lists("prompts", {"name": "p"}).lists("resources", {"uri": "u", "name": "u"})
    server.answers(method, given)
    async with bench(server, **config) as b:
        client = await b.greeted()
        assert await client.request(method, params) == shown


@interaction("lenience.values")
async def test_text_that_only_looks_like_null_members_passes_byte_for_byte() -> None:
    body = b'{"content": [{"type": "text", "text": "{\\"content\\": null, \\"_meta\\":null}"}],  "x": [null]}'
    server = RawServer().has(a=lambda call: body)
    async with bench(server, **TRANSPARENT) as b:
        client = await b.greeted()
        assert await client.result("tools/call", {"name": "a"}) == body


GREETINGS: dict[str, Json] = {
    "capabilities that are null": {"capabilities": None},
    "a capability that is null": {"capabilities": {"tools": {}, "prompts": None, "logging": None}},
    "members that are null": nulls("instructions", "serverInfo", "_meta"),
}


@pytest.mark.parametrize("config", [{}, TRANSPARENT], ids=["usual", "transparent"])
@pytest.mark.parametrize("what", GREETINGS)
@interaction("lenience.messages")
async def test_a_greeting_with_nulls_is_one(what: str, config: Json) -> None:
    server = RawServer(greeting=GREETINGS[what]).has(a=text("1"))
    async with bench(server, **config) as b:
        client = b.client()
        greeting = await client.greet()
        assert None not in [*greeting.values(), *greeting["capabilities"].values()]
        assert "prompts" not in greeting["capabilities"]
        assert await client.call("a") == text("1")


CLIENT_SPELLINGS = {
    "members that are null": lambda m: dumped({"result": None, "error": None, **m}),
    "params that are null": lambda m: dumped({"params": None, **m}),
    "a byte order mark": lambda m: MARK + dumped(m),
    "no revision": lambda m: dumped({k: v for k, v in m.items() if k != "jsonrpc"}),
    "spaces at both ends": lambda m: b" " + dumped(m) + b"\r",
}


@pytest.mark.parametrize("spelling", CLIENT_SPELLINGS)
@interaction("lenience.messages")
async def test_a_client_may_spell_its_messages_its_own_way(spelling: str) -> None:
    async def asks(call: Call) -> Json:
        return text(json.dumps((await call.ask("roots/list"))["result"]))

    server = RawServer().has(asks=asks)
    async with bench(server, **TRANSPARENT) as b:
        client = b.client()
        write = client.write
        client.write = lambda line: write(CLIENT_SPELLINGS[spelling](json.loads(line)))  # type: ignore[method-assign]
        client.answers["roots/list"] = {"roots": []}
        await client.greet(capabilities={"roots": {}})
        assert [t["name"] for t in (await client.request("tools/list"))["tools"]] == ["asks"]
        assert await client.call("asks") == text('{"roots": []}')
        client.notify("notifications/x")
        await server.peer.told("notifications/x")
        assert all(b"null" not in line for line in server.peer.lines)


@interaction("lenience.messages")
async def test_a_clients_answer_that_is_null_reaches_the_server_as_an_empty_one() -> None:
    async def asks(call: Call) -> Json:
        return text(json.dumps(await call.ask("x/question")))

    async with bench(RawServer().has(asks=asks), **TRANSPARENT) as b:
        client = await b.greeted()
        client.answers["x/question"] = b"null"
        assert await client.call("asks") == text('{"jsonrpc": "2.0", "id": "q1", "result": {}}')


@interaction("lenience.messages")
async def test_params_that_are_null_reach_nobody() -> None:
    """Both ways, in requests and notifications."""
    server = RawServer().answers("x/ask", {})
    async with bench(server, **TRANSPARENT) as b:
        client = await b.greeted()
        client.answers["x/question"] = {}
        server.peer.write(b'{"jsonrpc":"2.0","method":"notifications/told","params":null}')
        server.peer.write(b'{"jsonrpc":"2.0","id":"q","method":"x/question","params":null}')
        client.write(b'{"jsonrpc":"2.0","method":"notifications/heard","params":null}')
        await client.request("x/ask", b"null")
        await server.peer.told("notifications/heard")
        await client.told("notifications/told")
        await client.until(lambda c: c.asked)
        assert all(b"null" not in line for line in [*client.lines, *server.peer.lines])
