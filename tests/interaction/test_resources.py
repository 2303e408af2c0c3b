"""Resources: listed, read, subscribed to, changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, RawServer, Refusal

CAPABILITIES: Json = {"resources": {"subscribe": True, "listChanged": True}}
UPDATED = "notifications/resources/updated"
CHANGED = "notifications/resources/list_changed"

RESOURCE = (
    b'{"uri":"file:///a%20b?x=1#\xc3\xa4","name":"a","title":"A","icons":[{"src":"data:,"}],"size":1e3,'
    b'"annotations":{"priority":1.0},"_meta":{"a/b":0.10},"unknown":[null]}'
)
URI = "file:///a%20b?x=1#ä"
TEMPLATE = (
    b'{"uriTemplate":"db://{table}/rows{?from,to}","name":"rows","title":"R","mimeType":"text/csv",'
    b'"_meta":{"n":1.50},"unknown":{}}'
)
READ = (
    b'{"contents":[{"uri":"file:///a%20b?x=1#\xc3\xa4","text":"\\u0041","mimeType":"text/x","_meta":{"n":1.0}},'
    b'{"uri":"file:///other","blob":"aGk=","unknown":2.50}],"_meta":{"m":[]},"unknown":1.0}'
)


def server(name: str = "raw", *uris: str, version: str | None = None) -> RawServer:
    """A server with resources."""
    made = RawServer(name, capabilities=CAPABILITIES, version=version)
    made.lists("resources", *({"uri": uri, "name": uri} for uri in uris)).lists("resourceTemplates")
    made.answers("resources/read", lambda call: found(name, call.params["uri"]))
    return made.answers("resources/subscribe", {}).answers("resources/unsubscribe", {})


def found(name: str, uri: str) -> Json:
    return {"contents": [{"uri": uri, "text": f"{name}: {uri}"}]}


@over_carriers
@over_revisions
@interaction("resources.list", "resources.templates", "unknown.members")
async def test_resources_and_templates_pass_as_they_were_written(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    raw = server(version=revision).lists("resources", RESOURCE).lists("resourceTemplates", TEMPLATE)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        assert await client.result("resources/list") == b'{"resources":[' + RESOURCE + b"]}"
        templates = await client.result("resources/templates/list")
        assert templates == b'{"resourceTemplates":[' + TEMPLATE + b"]}"


@over_carriers
@over_revisions
@interaction("resources.read", "unknown.members")
async def test_reading_passes_byte_for_byte(carrier: str, revision: str, tmp_path: Path) -> None:
    raw = server(version=revision).lists("resources", RESOURCE).answers("resources/read", READ)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        params = {"uri": URI, "_meta": {"x": 1}, "unknown": True}
        assert await client.result("resources/read", params) == READ
        assert raw.peer.calls["resources/read"][0].params == params


@interaction("resources.read-unlisted")
async def test_a_uri_that_a_template_gives_is_read_at_its_server() -> None:
    one, two = server("one"), server("two").lists("resourceTemplates", TEMPLATE)
    one.answers("resources/read", _unknown)
    async with bench(one, two) as b:
        client = await b.greeted()
        uri = "db://users/rows?from=1&to=2"
        assert await client.request("resources/read", {"uri": uri}) == found("two", uri)
        assert "resources/read" not in one.peer.calls


@interaction("resources.read-unlisted")
async def test_a_uri_that_nobody_lists_is_tried_where_it_may_be_known() -> None:
    one, two = server("one").answers("resources/read", _unknown), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        assert await client.request("resources/read", {"uri": "odd:1"}) == found("two", "odd:1")


def _unknown(call: Call) -> Json:
    uri = call.params["uri"]
    raise Refusal({"code": -32002, "message": "Resource not found", "data": {"uri": uri, "n": 1.5}})


@over_carriers
@interaction("resources.not-found", "errors.pass")
async def test_what_nobody_knows_is_refused_in_the_servers_own_words(carrier: str, tmp_path: Path) -> None:
    raw = server().answers("resources/read", _unknown)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        assert await client.refused("resources/read", {"uri": "no:1"}) == {
            "code": -32002,
            "message": "Resource not found",
            "data": {"uri": "no:1", "n": 1.5},
        }


@interaction("initialize.unserved")
async def test_without_any_server_of_resources_nothing_can_be_read() -> None:
    async with bench(RawServer()) as b:
        client = await b.greeted()
        error = await client.refused("resources/read", {"uri": "no:1"})
        assert error["code"] == -32601


@over_carriers
@over_revisions
@interaction("resources.subscribe", "resources.updated")
async def test_updates_come_while_a_resource_is_subscribed(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    raw = server("raw", "x:1", "x:2", version=revision)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        assert await client.request("resources/subscribe", {"uri": "x:1"}) == {}
        assert raw.peer.calls["resources/subscribe"][0].params["uri"] == "x:1"
        raw.peer.tell(UPDATED, b'{"uri":"x:1","title":"T","_meta":{"n":1.50}}')
        assert await client.told(UPDATED) == {"uri": "x:1", "title": "T", "_meta": {"n": 1.5}}
        assert b'"_meta":{"n":1.50}' in client.lines[-1]
        raw.peer.tell(UPDATED, {"uri": "x:1", "n": 2})
        await client.told(UPDATED, 2)

        assert await client.request("resources/unsubscribe", {"uri": "x:1"}) == {}
        assert raw.peer.calls["resources/unsubscribe"][0].params["uri"] == "x:1"
        await client.request("resources/subscribe", {"uri": "x:2"})
        raw.peer.tell(UPDATED, {"uri": "x:1"})
        raw.peer.tell(UPDATED, {"uri": "x:2"})
        await client.told(UPDATED, 3)
        assert [params["uri"] for params in client.heard(UPDATED)] == ["x:1", "x:1", "x:2"]


@interaction("resources.subscribe", "unknown.members")
async def test_other_members_of_a_subscription_pass() -> None:
    raw = server("raw", "x:1")
    async with bench(raw) as b:
        client = await b.greeted()
        params = {"uri": "x:1", "_meta": {"a/b": 1}, "unknown": [2]}
        await client.request("resources/subscribe", params)
        await client.request("resources/unsubscribe", params)
        assert raw.peer.calls["resources/subscribe"][0].params == params
        assert raw.peer.calls["resources/unsubscribe"][0].params == params


@interaction("resources.subscribe", "errors.pass")
async def test_a_refused_subscription_is_refused() -> None:
    def refuse(call: Call) -> Json:
        raise Refusal({"code": -32001, "message": "not today", "data": [1]})

    raw = server("raw", "x:1").answers("resources/subscribe", refuse)
    async with bench(raw) as b:
        client = await b.greeted()
        error = await client.refused("resources/subscribe", {"uri": "x:1"})
        assert error == {"code": -32001, "message": "not today", "data": [1]}
        raw.peer.tell(UPDATED, {"uri": "x:1"})
        await client.request("resources/list")
        assert client.heard(UPDATED) == []


@interaction("resources.subscribe", "resources.read-unlisted")
async def test_a_uri_that_nobody_lists_is_subscribed_to_where_it_is_known() -> None:
    one, two = server("one").answers("resources/subscribe", _unknown), server("two")
    async with bench(one, two) as b:
        client = await b.greeted()
        await client.request("resources/subscribe", {"uri": "odd:1"})
        two.peer.tell(UPDATED, {"uri": "odd:1"})
        assert await client.told(UPDATED) == {"uri": "odd:1"}
        await client.request("resources/unsubscribe", {"uri": "odd:1"})
        assert two.peer.calls["resources/unsubscribe"][0].params["uri"] == "odd:1"
        assert "resources/unsubscribe" not in one.peer.calls


@pytest.mark.parametrize("single", [True, False])
@interaction("resources.updated-below")
async def test_an_update_may_name_what_stands_below(single: bool) -> None:
    raw = server("raw", "file:///dir", "file:///else")
    async with bench(raw, single=single) as b:
        client, other = await b.greeted(), await b.greeted()
        await client.request("resources/subscribe", {"uri": "file:///dir"})
        await other.request("resources/subscribe", {"uri": "file:///else"})
        raw.peer.tell(UPDATED, {"uri": "file:///dir/a/b.txt"})
        raw.peer.tell(UPDATED, {"uri": "file:///else"})
        assert await client.told(UPDATED) == {"uri": "file:///dir/a/b.txt"}
        assert await other.told(UPDATED) == {"uri": "file:///else"}
        assert len(client.heard(UPDATED)) == 1


@over_carriers
@interaction("resources.resubscribe")
async def test_a_server_that_comes_back_is_asked_again(carrier: str, tmp_path: Path) -> None:
    raw = server("raw", "x:1", "x:2")
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        await client.request("resources/subscribe", {"uri": "x:1"})
        await client.request("resources/subscribe", {"uri": "x:2"})
        await client.request("resources/unsubscribe", {"uri": "x:2"})
        main = b.host.runtime.servers["raw"]
        first = main.connection
        assert first is not None
        main.retire(first, "a test wants it anew")
        await main.acquire("x", client.session)
        await raw.peer.asked("resources/subscribe")
        assert len(raw.peers) == 2
        assert [call.params["uri"] for call in raw.peer.calls["resources/subscribe"]] == ["x:1"]
        raw.peer.tell(UPDATED, {"uri": "x:1"})
        assert await client.told(UPDATED) == {"uri": "x:1"}


@over_carriers
@over_revisions
@interaction("resources.list-changed")
async def test_a_client_is_told_when_the_resources_have_changed(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    raw = server("raw", "x:1", version=revision)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        await client.request("resources/list")
        raw.lists("resources", {"uri": "x:2", "name": "2"})
        raw.peer.tell(CHANGED)
        await client.told(CHANGED)
        assert (await client.request("resources/list"))["resources"] == [{"uri": "x:2", "name": "2"}]
        await client.request("resources/templates/list")
        raw.lists("resourceTemplates", {"uriTemplate": "t:{x}", "name": "t"})
        raw.peer.tell(CHANGED)
        await client.told(CHANGED, 2)
        listed = await client.request("resources/templates/list")
        assert listed["resourceTemplates"] == [{"uriTemplate": "t:{x}", "name": "t"}]
