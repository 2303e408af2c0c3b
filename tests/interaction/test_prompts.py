"""Prompts and completion."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, RawServer, Refusal

CAPABILITIES: Json = {"prompts": {"listChanged": True}, "resources": {}, "completions": {}}
CHANGED = "notifications/prompts/list_changed"

PROMPT = (
    b'{"name":"p","title":"P","description":"d","icons":[{"src":"data:,","sizes":["any"]}],'
    b'"arguments":[{"name":"x","title":"X","required":true,"unknown":1.0}],"_meta":{"n":1.50},"unknown":{}}'
)
GOT = (
    b'{"description":"d","messages":[{"role":"user","content":{"type":"text","text":"\\u0041","_meta":{"n":1.0}}},'
    b'{"role":"assistant","content":{"type":"resource","resource":{"uri":"x:1","text":"t"}}},'
    b'{"role":"user","content":{"type":"image","data":"aGk=","mimeType":"image/png"}}],"_meta":{"m":1.50},"z":[]}'
)


def server(name: str = "raw", *prompts: str, version: str | None = None) -> RawServer:
    made = RawServer(name, capabilities=CAPABILITIES, version=version)
    made.lists("prompts", *({"name": prompt} for prompt in prompts)).lists("resources")
    made.lists("resourceTemplates")
    return made.answers("prompts/get", lambda call: got(name, call.params["name"]))


def got(name: str, prompt: str) -> Json:
    return {"messages": [{"role": "user", "content": {"type": "text", "text": f"{name}: {prompt}"}}]}


@over_carriers
@over_revisions
@interaction("prompts.list", "prompts.get", "unknown.members")
async def test_prompts_pass_as_they_were_written(carrier: str, revision: str, tmp_path: Path) -> None:
    raw = server(version=revision).lists("prompts", PROMPT).answers("prompts/get", GOT)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        assert await client.result("prompts/list") == b'{"prompts":[' + PROMPT + b"]}"
        params = {"name": "p", "arguments": {"x": "ä"}, "_meta": {"m": 1}, "unknown": 2}
        assert await client.result("prompts/get", params) == GOT
        assert raw.peer.calls["prompts/get"][0].params == params


@pytest.mark.parametrize("params", [{"name": "nope"}, {}, {"name": 7}])
@interaction("prompts.unknown")
async def test_an_unknown_prompt_is_refused(params: Json) -> None:
    async with bench(server("raw", "p"), server("two", "q")) as b:
        client = await b.greeted()
        assert (await client.refused("prompts/get", params))["code"] == -32602


@over_carriers
@interaction("errors.pass")
async def test_a_refused_prompt_is_refused_in_the_servers_own_words(carrier: str, tmp_path: Path) -> None:
    def refuse(call: Call) -> Json:
        raise Refusal({"code": -32602, "message": "x is missing", "data": {"missing": ["x"]}})

    raw = server("raw", "p").answers("prompts/get", refuse)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        error = await client.refused("prompts/get", {"name": "p"})
        assert error == {"code": -32602, "message": "x is missing", "data": {"missing": ["x"]}}


@over_carriers
@over_revisions
@interaction("prompts.list-changed")
async def test_a_client_is_told_when_the_prompts_have_changed(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    raw = server("raw", "p", version=revision)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        await client.request("prompts/list")
        raw.lists("prompts", {"name": "q"})
        raw.peer.tell(CHANGED)
        assert await client.told(CHANGED) is None
        assert await client.request("prompts/list") == {"prompts": [{"name": "q"}]}


@over_carriers
@over_revisions
@interaction("completion.prompt", "unknown.members")
async def test_an_argument_of_a_prompt_is_completed(carrier: str, revision: str, tmp_path: Path) -> None:
    answer = b'{"completion":{"values":["a\\u0062"],"total":1e1,"hasMore":true,"x":1.50},"_meta":{}}'
    raw = server("raw", "p", version=revision).answers("completion/complete", answer)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        params: Json = {
            "ref": {"type": "ref/prompt", "name": "p", "title": "P"},
            "argument": {"name": "x", "value": "a", "unknown": 1},
            "context": {"arguments": {"y": "b"}},
            "_meta": {"m": 1},
        }
        assert await client.result("completion/complete", params) == answer
        assert raw.peer.calls["completion/complete"][0].params == params


@over_carriers
@interaction("completion.resource")
async def test_a_variable_of_a_template_is_completed(carrier: str, tmp_path: Path) -> None:
    answer = b'{"completion":{"values":["users"]}}'
    raw = server().lists("resourceTemplates", {"uriTemplate": "db://{t}", "name": "t"})
    raw.answers("completion/complete", answer)
    async with bench(raw, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        params: Json = {
            "ref": {"type": "ref/resource", "uri": "db://{t}"},
            "argument": {"name": "t", "value": "u"},
        }
        assert await client.result("completion/complete", params) == answer
        assert raw.peer.calls["completion/complete"][0].params == params


@pytest.mark.parametrize(
    "ref",
    [{"type": "ref/prompt", "name": "nope"}, {"type": "ref/resource", "uri": "nope://{x}"}, {}, None],
    ids=["prompt", "resource", "empty", "none"],
)
@interaction("completion.unknown")
async def test_a_reference_that_nobody_knows_is_refused(ref: Json | None) -> None:
    """Even where servers have resources: a template that is listed nowhere is nobody's."""
    one, two = server("one", "p"), RawServer("two")
    one.capabilities = {"prompts": {}, "completions": {}}
    async with bench(one, two) as b:
        client = await b.greeted()
        params = {"ref": ref, "argument": {"name": "x", "value": ""}}
        assert (await client.refused("completion/complete", params))["code"] == -32602
