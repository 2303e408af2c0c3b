"""Several servers: names and URIs lead back to what they stand for; a server sees only what is its own."""

from __future__ import annotations

from pathlib import Path

from .bench import bench, interaction, over_carriers
from .raw_server import Json, RawServer, text

UPDATED = "notifications/resources/updated"
ALL: Json = {"tools": {}, "prompts": {}, "resources": {"subscribe": True}, "completions": {}}


def server(name: str) -> RawServer:
    """A server that says its own name in every answer."""
    made = RawServer(name, capabilities=ALL).has(**{"do": text(name), f"only_{name}": text(name)})
    made.lists("prompts", {"name": "p"}, {"name": f"{name}-p"})
    made.lists("resources", {"uri": "x:same", "name": name}, {"uri": f"{name}:own", "name": name})
    made.lists(
        "resourceTemplates",
        {"uriTemplate": "t:{same}", "name": name},
        {"uriTemplate": f"{name}:{{x}}", "name": "x"},
    )
    made.answers("prompts/get", lambda call: {"messages": [], "by": name, "name": call.params["name"]})
    made.answers("resources/read", lambda call: {"contents": [{"uri": call.params["uri"], "text": name}]})
    made.answers(
        "completion/complete", lambda call: {"completion": {"values": [name]}, "ref": call.params["ref"]}
    )
    return made.answers("resources/subscribe", {}).answers("resources/unsubscribe", {})


@over_carriers
@interaction("merge.names", "merge.other-servers")
async def test_every_name_leads_back(carrier: str, tmp_path: Path) -> None:
    one, two = server("one"), server("two")
    async with bench(one, two, carrier=carrier, tmp_path=tmp_path, exposeMetaTools=False) as b:
        client = await b.greeted()
        tools = [tool["name"] for tool in (await client.request("tools/list"))["tools"]]
        assert tools == ["one__do", "one__only_one", "two__do", "two__only_two"]
        for tool in tools:
            assert await client.call(tool) == text(tool.split("__")[0])
        prompts = [prompt["name"] for prompt in (await client.request("prompts/list"))["prompts"]]
        assert prompts == ["one__p", "one__one-p", "two__p", "two__two-p"]
        for prompt in prompts:
            owner, bare = prompt.split("__")
            result = await client.request("prompts/get", {"name": prompt})
            assert (result["by"], result["name"]) == (owner, bare)
        for raw in (one, two):
            assert {call.params["name"] for call in raw.peer.calls["tools/call"]} == {
                "do",
                f"only_{raw.name}",
            }
            assert len(raw.peer.calls["prompts/get"]) == 2


@over_carriers
@interaction("merge.uris", "merge.other-servers")
async def test_every_uri_leads_back(carrier: str, tmp_path: Path) -> None:
    one, two = server("one"), server("two")
    async with bench(one, two, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        listed = (await client.request("resources/list"))["resources"]
        uris = [resource["uri"] for resource in listed]
        assert uris == ["callmux://one/x:same", "one:own", "callmux://two/x:same", "two:own"]
        for resource in listed:
            read = await client.request("resources/read", {"uri": resource["uri"]})
            assert read == {"contents": [{"uri": resource["uri"], "text": resource["name"]}]}
        for raw in (one, two):
            asked = [call.params["uri"] for call in raw.peer.calls["resources/read"]]
            assert asked == ["x:same", f"{raw.name}:own"]


@interaction("merge.uris")
async def test_a_qualified_uri_is_understood_for_any_uri_of_any_server() -> None:
    one, two = server("one"), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        for raw in (one, two):
            uri = f"callmux://{raw.name}/y:listed?nowhere#at all"
            read = await client.request("resources/read", {"uri": uri})
            assert read == {"contents": [{"uri": uri, "text": raw.name}]}
            assert raw.peer.calls["resources/read"][0].params["uri"] == "y:listed?nowhere#at all"


@interaction("merge.uris")
async def test_the_uri_that_a_template_of_one_server_gives_is_not_read_at_another() -> None:
    one, two = server("one"), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        assert (await client.request("resources/read", {"uri": "two:7"}))["contents"][0]["text"] == "two"
        assert "resources/read" not in one.peer.calls


@interaction("merge.uris")
async def test_a_uri_that_stops_being_the_same_becomes_its_own_again() -> None:
    one, two = server("one"), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        await client.request("resources/list")
        two.lists("resources", {"uri": "two:own", "name": "two"})
        two.peer.tell("notifications/resources/list_changed")
        await client.told("notifications/resources/list_changed")
        uris = [resource["uri"] for resource in (await client.request("resources/list"))["resources"]]
        assert uris == ["x:same", "one:own", "two:own"]
        # A client that still holds the longer form is understood.
        read = await client.request("resources/read", {"uri": "callmux://one/x:same"})
        assert read == {"contents": [{"uri": "callmux://one/x:same", "text": "one"}]}


@over_carriers
@interaction("merge.uris-updated")
async def test_updates_come_under_the_uri_that_was_subscribed_to(carrier: str, tmp_path: Path) -> None:
    one, two = server("one"), server("two")
    async with bench(one, two, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        await client.request("resources/subscribe", {"uri": "callmux://two/x:same"})
        assert two.peer.calls["resources/subscribe"][0].params == {"uri": "x:same"}
        assert "resources/subscribe" not in one.peer.calls
        one.peer.tell(UPDATED, {"uri": "x:same"})
        two.peer.tell(UPDATED, {"uri": "x:same"})
        assert await client.told(UPDATED) == {"uri": "callmux://two/x:same"}
        two.peer.tell(UPDATED, {"uri": "x:same/below"})
        assert await client.told(UPDATED, 2) == {"uri": "callmux://two/x:same/below"}
        await client.request("resources/unsubscribe", {"uri": "callmux://two/x:same"})
        assert two.peer.calls["resources/unsubscribe"][0].params == {"uri": "x:same"}
        assert len(client.heard(UPDATED)) == 2


@interaction("merge.completion", "completion.prompt", "completion.resource")
async def test_completion_finds_the_server() -> None:
    one, two = server("one"), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        templates = (await client.request("resources/templates/list"))["resourceTemplates"]
        uris = [template["uriTemplate"] for template in templates]
        assert uris == ["callmux://one/t:{same}", "one:{x}", "callmux://two/t:{same}", "two:{x}"]
        for owner, ref, theirs in [
            ("one", {"name": "one__p"}, {"name": "p"}),
            ("two", {"name": "two__p"}, {"name": "p"}),
            ("two", {"name": "two__two-p"}, {"name": "two-p"}),
            ("one", {"uri": uris[0]}, {"uri": "t:{same}"}),
            ("two", {"uri": uris[2]}, {"uri": "t:{same}"}),
            ("two", {"uri": uris[3]}, {"uri": "two:{x}"}),
        ]:
            params = {"ref": {"type": "ref/x", **ref}, "argument": {"name": "n", "value": ""}}
            result = await client.request("completion/complete", params)
            assert result == {"completion": {"values": [owner]}, "ref": {"type": "ref/x", **theirs}}


@interaction("merge.whitelists")
async def test_what_a_whitelist_leaves_out_does_not_exist() -> None:
    one = server("one")
    entry = {"tools": ["do"], "prompts": ["p"], "resources": ["x:*", "t:*"]}
    async with bench(one, entry=entry, exposeMetaTools=False) as b:
        client = await b.greeted()
        assert [t["name"] for t in (await client.request("tools/list"))["tools"]] == ["do"]
        assert [p["name"] for p in (await client.request("prompts/list"))["prompts"]] == ["p"]
        assert [r["uri"] for r in (await client.request("resources/list"))["resources"]] == ["x:same"]
        templates = (await client.request("resources/templates/list"))["resourceTemplates"]
        assert [t["uriTemplate"] for t in templates] == ["t:{same}"]

        assert (await client.call("only_one"))["isError"] is True
        assert (await client.refused("prompts/get", {"name": "one-p"}))["code"] == -32602
        for uri in ("one:own", "callmux://one/one:own", "one:7"):
            for method in ("resources/read", "resources/subscribe"):
                assert (await client.refused(method, {"uri": uri}))["code"] == -32002
        for ref in ({"name": "one-p"}, {"uri": "one:{x}"}, {"uri": "callmux://one/one:{x}"}):
            params = {"ref": {"type": "ref/x", **ref}, "argument": {"name": "n", "value": ""}}
            assert (await client.refused("completion/complete", params))["code"] == -32602
        for method in (
            "tools/call",
            "prompts/get",
            "resources/read",
            "resources/subscribe",
            "completion/complete",
        ):
            assert method not in one.peer.calls
        assert await client.call("do") == text("one")
        assert (await client.request("resources/read", {"uri": "x:same"}))["contents"][0]["text"] == "one"


@interaction("merge.whitelists")
async def test_an_empty_whitelist_leaves_nothing() -> None:
    entry: Json = {"tools": [], "prompts": [], "resources": []}
    async with bench(server("one"), entry=entry, exposeMetaTools=False) as b:
        client = await b.greeted()
        for method, member in [
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ]:
            assert await client.request(method) == {member: []}


@interaction("merge.names")
async def test_a_prefix_of_ones_own_choice_holds_for_prompts_too() -> None:
    one, two = server("one"), server("two")
    async with bench(one, two, entry={"prefix": ""}) as b:
        client = await b.greeted()
        prompts = [prompt["name"] for prompt in (await client.request("prompts/list"))["prompts"]]
        assert "one-p" in prompts
        assert "two-p" in prompts
        for name in ("one", "two"):
            assert (await client.request("prompts/get", {"name": f"{name}-p"}))["by"] == name


@over_carriers
@interaction("merge.uris", "tools.content")
async def test_links_in_results_lead_where_the_listing_leads(carrier: str, tmp_path: Path) -> None:
    """A link of a tool's result can be read as it stands, though two servers have its URI."""
    servers = []
    for name in ("one", "two"):
        link = {"type": "resource_link", "uri": "x:same", "name": "n"}
        made = RawServer(name, capabilities={"tools": {}, "resources": {}})
        made.has(a={"content": [link, {"type": "resource_link", "uri": f"{name}:own", "name": "n"}]})
        made.lists("resources", {"uri": "x:same", "name": "s"}, {"uri": f"{name}:own", "name": "o"})
        made.answers("resources/read", {"contents": [{"uri": "x:same", "text": name}]})
        servers.append(made)
    async with bench(*servers, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        for name in ("one", "two"):
            first, second = (await client.call(f"{name}__a"))["content"]
            assert second["uri"] == f"{name}:own"
            read = await client.request("resources/read", {"uri": first["uri"]})
            assert read["contents"] == [{"uri": first["uri"], "text": name}]
