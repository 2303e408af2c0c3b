"""The handshake on both sides, and whether the other side is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import TRANSPARENT, bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, RawServer, text

EVERYTHING: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "logging": {},
    "completions": {},
}


@over_carriers
@over_revisions
@interaction("initialize.version", "initialize.initialized")
async def test_both_sides_agree_on_a_revision(carrier: str, revision: str, tmp_path: Path) -> None:
    server = RawServer(version=revision).has(a=text("1"))
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = b.client()
        assert (await client.greet(revision))["protocolVersion"] == revision
        assert (await client.call("a")) == text("1")
        assert b'"initialize"' in server.peer.lines[0]
        assert server.peer.lines[1].strip() == b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
        assert server.peer.greeting["clientInfo"]["name"] == "callmux"


@pytest.mark.parametrize("asked", ["2024-11-05", "2025-03-26"])
@interaction("initialize.version")
async def test_older_revisions_are_spoken(asked: str) -> None:
    async with bench(RawServer()) as b:
        assert (await b.client().greet(asked))["protocolVersion"] == asked


@pytest.mark.parametrize("asked", ["2026-07-28", "1.0", ""])
@interaction("initialize.unknown-version")
async def test_an_unknown_revision_is_answered_with_our_newest(asked: str) -> None:
    async with bench(RawServer()) as b:
        assert (await b.client().greet(asked))["protocolVersion"] == "2025-11-25"


@over_revisions
@pytest.mark.parametrize("theirs", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
@interaction("initialize.upstream-version")
async def test_the_two_sides_may_speak_different_revisions(revision: str, theirs: str) -> None:
    server = RawServer(version=theirs).has(a=text("1"))
    async with bench(server) as b:
        client = b.client()
        assert (await client.greet(revision))["protocolVersion"] == revision
        assert await client.call("a") == text("1")


@interaction("initialize.refused-version")
async def test_a_server_of_a_revision_we_do_not_speak_is_not_used() -> None:
    server = RawServer(version="1999-01-01").has(a=text("1"))
    async with bench(server) as b:
        client = await b.greeted()
        (failed,) = b.host.runtime.failed()
        assert "1999-01-01" in str(failed.health.error)
        assert (await client.call("a"))["isError"] is True
        assert [peer.notes for peer in server.peers] == [[] for _ in server.peers]


@interaction("initialize.capabilities-down")
async def test_what_servers_declare_is_joined() -> None:
    one = RawServer("one", capabilities={"tools": {}, "prompts": {}})
    two = RawServer("two", capabilities={"resources": {"subscribe": True}, "logging": {}})
    async with bench(one, two) as b:
        got = (await b.client().greet())["capabilities"]
        assert got["tools"] == {"listChanged": True}
        assert got["prompts"] == {"listChanged": True}
        assert got["resources"] == {"subscribe": True, "listChanged": True}
        assert got["logging"] == {}
        assert "completions" not in got


@over_carriers
@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"roots": {"listChanged": True}},
        {"sampling": {}, "elicitation": {}},
        {"sampling": {"tools": {}, "context": {}}, "elicitation": {"form": {}, "url": {}}, "roots": {}},
        {"experimental": {"x": {"y": [1, {"z": None}]}}, "tasks": {"cancel": {}}, "unknown": {}},
    ],
    ids=["nothing", "roots", "asking", "all", "unknown"],
)
@interaction("initialize.capabilities-up")
async def test_servers_are_told_what_the_real_client_declared(
    carrier: str, declared: Json, tmp_path: Path
) -> None:
    server = RawServer()
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        await b.greeted(capabilities=declared)
        assert server.peer.greeting["capabilities"] == declared


@interaction("initialize.instructions")
async def test_instructions_are_merged_under_the_servers_names() -> None:
    one = RawServer("one", greeting={"instructions": "Be kind."})
    two = RawServer("two", greeting={"instructions": "Be\nquick."})
    three = RawServer("three")
    async with bench(one, two, three) as b:
        said = (await b.client().greet())["instructions"]
        assert said.startswith("callmux puts several MCP servers behind one.")
        assert said.endswith("\n\n## one\nBe kind.\n\n## two\nBe\nquick.")
        assert "three" not in said


@interaction("initialize.instructions")
async def test_instructions_of_one_server_stand_alone_where_we_have_none() -> None:
    async with bench(RawServer(greeting={"instructions": "Be kind."}), exposeMetaTools=False) as b:
        assert (await b.client().greet())["instructions"] == "Be kind."


@interaction("transparent.greeting")
async def test_in_the_transparent_mode_the_greeting_is_the_servers_own() -> None:
    about = {"name": "theirs", "version": "7", "title": "T", "icons": [{"src": "data:,", "x": 1}]}
    server = RawServer(
        capabilities={"tools": {}, "x": {}}, greeting={"serverInfo": about, "instructions": "Hello."}
    )
    async with bench(server, **TRANSPARENT) as b:
        assert await b.client().greet("2025-06-18") == {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}, "x": {}},
            "serverInfo": about,
            "instructions": "Hello.",
        }


@interaction("transparent.greeting")
async def test_how_streams_are_named_is_told_to_our_own_bridge_alone() -> None:
    """In the transparent mode; else anybody may know."""
    server = RawServer(capabilities={"tools": {}, "experimental": {"theirs": {}}}).has(a=text("1"))
    name = "callmux/requestStreams"
    for config, kind, told in [
        (TRANSPARENT, None, False),
        (TRANSPARENT, "stdio-bridge", True),
        ({}, None, True),
    ]:
        async with bench(server, single=False, **config) as b:
            client = b.client()
            client.session.offers = frozenset({name})
            client.session.facts.client_kind = kind
            declared = (await client.greet())["capabilities"]["experimental"]
            assert declared == {"theirs": {}, **({name: {}} if told else {})}


MODERN: Json = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
UNFIT: dict[str, tuple[Json, int]] = {
    "server/discover": ({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}, -32602),
    "logging/setLevel": ({"level": "info", **MODERN}, -32601),
    "tools/call": ({"name": "a", "_meta": {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}}, -32022),
}


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "config", [{}, TRANSPARENT, {"metaOnly": True}], ids=["usual", "transparent", "meta-only"]
)
@interaction("initialize.other-era")
async def test_a_probe_for_another_era_starts_no_server(config: Json, count: int, single: bool) -> None:
    """Though the server would answer. After that the client greets, and all is as ever."""
    servers = [RawServer(f"s{n}").has(a=text("1")) for n in range(count)]
    for server in servers:
        server.answers("server/discover", {"supportedVersions": ["2026-07-28"], "capabilities": {}})
    async with bench(*servers, single=single, **config) as b:
        client = b.client()
        for method, (params, code) in UNFIT.items():
            assert (await client.refused(method, params))["code"] == code, method
            assert [server.peers for server in servers] == [[] for _ in servers], method
        assert "2026-07-28" in (await client.request("server/discover", MODERN))["supportedVersions"]
        assert [server.peers for server in servers] == [[] for _ in servers]
        await client.greet()
        assert "2026-07-28" in (await client.request("server/discover", MODERN))["supportedVersions"]
        listed = await client.request("tools/list")
        assert len(listed["tools"]) > 0
        assert "resultType" not in listed


@interaction("ping.client")
async def test_a_clients_ping_is_answered_at_any_time() -> None:
    """Before the handshake too, and while a server does not answer anything."""
    server = RawServer().has(slow=lambda call: None)
    async with bench(server) as b:
        client = b.client()
        assert await client.request("ping") == {}
        await client.greet()
        client.send("tools/call", {"name": "slow"})
        await server.peer.asked("tools/call")
        assert await client.request("ping") == {}


@over_carriers
@interaction("ping.server")
async def test_a_servers_ping_is_answered(carrier: str, tmp_path: Path) -> None:
    async def ask(call: Call) -> Json:
        answers = [await call.peer.ask("ping", id=id) for id in (0, 7, "x")]
        return text("ok" if all(answer["result"] == {} for answer in answers) else str(answers))

    server = RawServer().has(a=ask)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        assert await client.call("a") == text("ok")
        assert client.asked == []
