"""MCP Apps through callmux: each page is its own server's, and no model sees what is for pages alone."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from .bench import TRANSPARENT, Bench, Client, bench, interaction
from .raw_server import Call, Json, RawServer, text

PAGE = "ui://widget/app.html"
UI: Json = {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}
KEYS: dict[str, Json] = {
    "ui": {"ui": {"resourceUri": PAGE, "prefersBorder": True}},
    "the older flat key": {"ui/resourceUri": PAGE},
    "OpenAI's key": {"openai/outputTemplate": PAGE},
    "both": {"ui": {"resourceUri": PAGE}, "ui/resourceUri": PAGE},
}


def app(name: str, meta: Json, *, listed: bool = True) -> RawServer:
    """A server with a tool that has a page; servers need not list their pages."""
    server = RawServer(name, capabilities={"tools": {}, "resources": {}})
    server.has(show=lambda call: {**text(name), "_meta": meta})
    server.lists("tools", {"name": "show", "inputSchema": {"type": "object"}, "_meta": meta})
    if listed:
        server.lists("resources", {"uri": PAGE, "name": name})
    content = {"text": f"<p>{name}", "mimeType": "text/html;profile=mcp-app"}
    return server.answers(
        "resources/read", lambda call: {"contents": [{"uri": call.params["uri"], **content}]}
    )


def page_of(meta: Any) -> str:
    """The one address in `_meta`, however often it stands there."""
    found = {
        value
        for value in (
            meta.get("ui", {}).get("resourceUri"),
            meta.get("ui/resourceUri"),
            meta.get("openai/outputTemplate"),
        )
        if value is not None
    }
    (uri,) = found
    return str(uri)


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize(("first", "second"), [*itertools.product([True, False], repeat=2)])
@interaction("merge.pages")
async def test_each_tool_has_the_page_of_its_own_server(keys: str, first: bool, second: bool) -> None:
    servers = [app("a", KEYS[keys], listed=first), app("b", KEYS[keys], listed=second)]
    async with bench(*servers) as b:
        client = await b.greeted(capabilities=UI)
        tools = {
            t["name"]: t for t in (await client.request("tools/list"))["tools"] if t["name"].endswith("show")
        }
        pages = {name: page_of(tool["_meta"]) for name, tool in tools.items()}
        assert len(set(pages.values())) == 2
        for name, uri in pages.items():
            assert uri.startswith("ui://")
            (content,) = (await client.request("resources/read", {"uri": uri}))["contents"]
            assert (content["text"], content["uri"]) == (f"<p>{name[0]}", uri)
            assert page_of((await client.call(name))["_meta"]) == uri
            wrapped = await client.call("callmux_call", {"tool": name})
            assert page_of(wrapped["_meta"]) == uri
        listed = [r["uri"] for r in (await client.request("resources/list"))["resources"]]
        assert set(listed) <= set(pages.values())
        assert len(listed) == first + second


@interaction("merge.pages")
async def test_a_page_that_only_one_server_has_keeps_its_address() -> None:
    other = app("b", {"ui": {"resourceUri": "ui://other"}}, listed=False)
    one = app("a", KEYS["ui"], listed=False)
    async with bench(other, one) as b:
        client = await b.greeted(capabilities=UI)
        tools = {t["name"]: t for t in (await client.request("tools/list"))["tools"]}
        assert tools["a__show"]["_meta"] == KEYS["ui"]
        (content,) = (await client.request("resources/read", {"uri": PAGE}))["contents"]
        assert content["text"] == "<p>a"
        assert "resources/read" not in other.peer.calls


@pytest.mark.parametrize("late", ["a", "b"])
@interaction("merge.pages")
async def test_a_server_that_comes_later_takes_nobodys_page(late: str) -> None:
    """The address that a client has from before leads where it led; from then on both have the same spelling,
    whoever came first."""
    servers = {name: app(name, KEYS["ui"], listed=False) for name in ("a", "b")}
    up = False

    def lists(call: Call) -> Json:
        return {"tools": [{"name": "show", "inputSchema": {}, "_meta": KEYS["ui"]}] if up else []}

    servers[late].answers("tools/list", lists)
    early = "b" if late == "a" else "a"
    async with bench(*servers.values()) as b:
        client = await b.greeted(capabilities=UI)
        tools = {t["name"]: t for t in (await client.request("tools/list"))["tools"]}
        assert page_of(tools[f"{early}__show"]["_meta"]) == PAGE
        up = True
        servers[late].peer.tell("notifications/tools/list_changed")
        await client.told("notifications/tools/list_changed")
        tools = {t["name"]: t for t in (await client.request("tools/list"))["tools"]}
        for name in ("a", "b"):
            assert page_of(tools[f"{name}__show"]["_meta"]) == f"ui://callmux/{name}/widget/app.html"
        (content,) = (await client.request("resources/read", {"uri": PAGE}))["contents"]
        assert content["text"] == f"<p>{early}"


@pytest.mark.parametrize("single", [True, False])
@interaction("apps.own-names")
async def test_what_a_page_names_is_its_own_servers(single: bool) -> None:
    """It calls tools and reads addresses as its server named them, whoever else has the same."""
    async with bench(app("a", KEYS["ui"]), app("b", KEYS["ui"]), single=single) as b:
        client = await b.greeted(capabilities=UI)
        tools = {t["name"]: t for t in (await client.request("tools/list"))["tools"]}
        assert "ambiguous" in json.dumps(await client.call("show"))
        refused = await client.refused("resources/read", {"uri": PAGE})
        known = {name: f"ui://callmux/{name}/widget/app.html" for name in ("a", "b")}
        assert refused["data"] == {"uri": PAGE, "uris": list(known.values())}
        await client.request("resources/read", {"uri": page_of(tools["b__show"]["_meta"])})
        assert (await client.call("show"))["content"] == text("b")["content"]
        (content,) = (await client.request("resources/read", {"uri": PAGE}))["contents"]
        assert content["text"] == "<p>b"
        if not single:
            other = await b.greeted(capabilities=UI)
            assert "ambiguous" in json.dumps(await other.call("show"))
        # With both open, nothing says whose page it is.
        await client.request("resources/read", {"uri": known["a"]})
        assert "ambiguous" in json.dumps(await client.call("show"))
        assert (await client.refused("resources/read", {"uri": PAGE}))["code"] == -32002


@interaction("merge.pages")
async def test_a_page_that_only_clients_with_apps_are_shown_is_its_own_servers() -> None:
    """A server may list such tools, and name such pages, to these alone."""
    servers = [app(name, KEYS["ui"], listed=False) for name in ("a", "b")]

    def lists(call: Call) -> Json:
        shows = "extensions" in call.peer.greeting["capabilities"]
        tool: Json = {"name": "show", "inputSchema": {"type": "object"}}
        return {"tools": [{**tool, "_meta": KEYS["ui"]} if shows else tool]}

    for server in servers:
        server.answers("tools/list", lists)
    async with bench(*servers, single=False) as b:
        plain = await b.greeted()
        assert not page_or_none(await plain.request("tools/list"))
        client = await b.greeted(capabilities=UI)
        pages = page_or_none(await client.request("tools/list"))
        assert pages == [f"ui://callmux/{name}/widget/app.html" for name in ("a", "b")]
        for name, uri in zip(("a", "b"), pages, strict=True):
            (content,) = (await client.request("resources/read", {"uri": uri}))["contents"]
            assert content["text"] == f"<p>{name}"


def page_or_none(listed: Json) -> list[str]:
    return [page_of(tool["_meta"]) for tool in listed["tools"] if "ui" in tool.get("_meta", {})]


@interaction("merge.pages")
async def test_a_page_that_one_result_alone_names_is_its_own_servers() -> None:
    meta = {"ui": {"resourceUri": "ui://made/7"}}
    servers = [app(name, meta) for name in ("a", "b")]
    for server in servers:
        server.lists("tools", {"name": "show", "inputSchema": {"type": "object"}}).lists("resources")
    async with bench(*servers) as b:
        client = await b.greeted(capabilities=UI)
        for name in ("b", "a"):
            uri = page_of((await client.call(f"{name}__show"))["_meta"])
            (content,) = (await client.request("resources/read", {"uri": uri}))["contents"]
            assert (content["text"], content["uri"]) == (f"<p>{name}", uri)


FOR_PAGES: dict[str, Json] = {
    "app": {"ui": {"resourceUri": PAGE, "visibility": ["app"]}},
    "nobody": {"ui": {"visibility": []}},
    "OpenAI's key": {"openai/visibility": "private"},
}


def payments(meta: Json) -> RawServer:
    server = RawServer("pay").has(submit_payment=text("paid"), show_payment=text("shown"))
    schema = {"inputSchema": {"type": "object"}}
    return server.lists(
        "tools",
        {"name": "submit_payment", "description": "Submits a payment", **schema, "_meta": meta},
        {"name": "show_payment", "description": "Shows a payment", **schema},
    )


async def everything_said(b: Bench, client: Client) -> str:
    """All that a model reads which it did not write itself."""
    said = [
        await client.call("callmux_search_tools", {"query": "submit payment"}),
        await client.call("callmux_search_tools", {"query": "", "includeInputSchema": True}),
        await client.call("callmux_status", {"descriptions": True}),
        await client.call("callmux_call", {"tool": "submit_paymen"}),
        await client.call("callmux_dry_run", {"tool": "submit_paymen"}),
        await client.call("submit_paymen"),
        await client.call("submit_paymen", {}),
    ]
    return json.dumps(said)


@pytest.mark.parametrize("meta", FOR_PAGES.values(), ids=list(FOR_PAGES))
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("config", [{}, {"metaOnly": True}], ids=["usual", "meta-only"])
@pytest.mark.parametrize("others", [0, 1])
@interaction("apps.visibility")
async def test_what_is_for_pages_alone_is_hidden_from_models(
    others: int, config: Json, single: bool, meta: Json
) -> None:
    """The client's own calls reach it: it knows which are its page's."""
    async with bench(payments(meta), *[RawServer("x") for _ in range(others)], single=single, **config) as b:
        client = await b.greeted(capabilities=UI)
        await client.request("tools/list")
        assert "submit_payment" not in await everything_said(b, client)
        name = "pay__submit_payment" if others else "submit_payment"
        ways: list[tuple[str, Json]] = [
            ("callmux_call", {"tool": name}),
            ("callmux_call", {"tool": "submit_payment", "server": "pay"}),
            ("callmux_parallel", {"calls": [{"tool": name}]}),
            ("callmux_batch", {"tool": name, "items": [{"arguments": {}}]}),
            ("callmux_pipeline", {"steps": [{"tool": name}]}),
            ("callmux_dry_run", {"tool": name}),
        ]
        for tool, arguments in ways:
            assert "tool_resolution_failed" in json.dumps(await client.call(tool, arguments)), tool
        assert await client.call(name) == text("paid")


@pytest.mark.parametrize("single", [True, False])
@interaction("apps.visibility")
async def test_only_a_client_that_shows_pages_is_listed_what_is_for_them(single: bool) -> None:
    """Others would give it to their model."""
    async with bench(payments(FOR_PAGES["app"]), single=single, exposeMetaTools=False) as b:
        plain, showing = await b.greeted(), await b.greeted(capabilities=UI)
        for client, expected in ((plain, ["show_payment"]), (showing, ["submit_payment", "show_payment"])):
            assert [t["name"] for t in (await client.request("tools/list"))["tools"]] == expected


@interaction("apps.visibility")
async def test_a_client_is_told_of_changes_that_it_can_see() -> None:
    """A change among tools for pages is none for the others."""
    server = payments(FOR_PAGES["app"])
    async with bench(server, single=False, exposeMetaTools=False) as b:
        plain, showing = await b.greeted(), await b.greeted(capabilities=UI)
        for client in (plain, showing):
            await client.request("tools/list")
        server.lists(
            "tools",
            {"name": "show_payment", "description": "Shows a payment", "inputSchema": {"type": "object"}},
        )
        for peer in server.peers:
            peer.tell("notifications/tools/list_changed")
        await showing.told("notifications/tools/list_changed")
        assert plain.heard("notifications/tools/list_changed") == []


@interaction("apps.visibility")
async def test_the_transparent_mode_hides_nothing() -> None:
    async with bench(payments(FOR_PAGES["app"]), **TRANSPARENT) as b:
        client = await b.greeted()
        assert len((await client.request("tools/list"))["tools"]) == 2


@pytest.mark.parametrize(
    ("name", "config", "eager"),
    [
        ("claude-code", {}, True),
        ("claude-code", {"metaOnly": True}, True),
        ("claude-code", {"alwaysLoadMetaTools": False}, False),
        ("codex-mcp-client", {}, False),
    ],
)
@interaction("apps.eager")
async def test_meta_tools_ask_a_client_that_defers_tools_not_to(name: str, config: Json, eager: bool) -> None:
    """Through a bridge, too, which names its client."""
    async with bench(RawServer().has(a=text("1")), single=False, **config) as b:
        for bridged in (False, True):
            client = b.client()
            about = {"name": name, "version": "1"}
            who = (
                {"clientInfo": {"name": "callmux-bridge"}, "_meta": {"callmux/clientInfo": about}}
                if bridged
                else {"clientInfo": about}
            )
            await client.request("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, **who})
            for tool in (await client.request("tools/list"))["tools"]:
                marked = tool.get("_meta", {}).get("anthropic/alwaysLoad") is True
                assert marked is (eager and tool["name"].startswith("callmux_")), tool["name"]
