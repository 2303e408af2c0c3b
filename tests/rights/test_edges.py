"""Where rules meet what changes, what is not there yet, and what MCP has no names for."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from callmux.errors import CallmuxError
from tests.interaction.bench import bench
from tests.interaction.raw_server import Call, Json, RawServer, text
from tests.support import real_loop

from .vault import Scene, answer, called, effects, full, principal, scene, tool

CLOSED: Json = {
    "defaultEffect": "allow",
    "rules": [{"id": "closed", "effect": "deny", "tools": ["vault__*"]}],
}
NOTHING: Json = {"defaultEffect": "deny", "rules": [{"effect": "allow", "principals": ["bearer:ops"]}]}


@real_loop()
@pytest.mark.parametrize("method", ["prompts/list", "resources/list", "resources/templates/list"])
async def test_an_empty_list_is_never_the_answer_to_a_lack_of_rights(method: str) -> None:
    async with scene(authorization=NOTHING) as s:
        dev = await s.client("dev")
        error = json.loads(await answer(dev, method))["error"]
        assert error["code"] == -32003
        assert error["data"]["code"] == "authorization_default_deny"


@real_loop()
async def test_a_list_of_tools_without_any_of_a_server_says_why() -> None:
    async with scene(authorization=NOTHING) as s:
        listed = json.loads(await answer(await s.client("dev"), "tools/list"))["result"]
        assert all(tool["name"].startswith("callmux_") for tool in listed["tools"])
        assert "authorization_default_deny" in listed["_meta"]["callmux/note"]
        assert "authorization_default_deny" in await called(await s.client("dev"), "callmux_search_tools")
    async with scene(authorization=NOTHING, exposeMetaTools=False) as s:
        error = json.loads(await answer(await s.client("dev"), "tools/list"))["error"]
        assert error["data"]["code"] == "authorization_default_deny"


@real_loop()
async def test_a_profile_that_just_has_nothing_of_a_kind_has_an_empty_list() -> None:
    async with scene(profiles={"p": {"servers": []}}) as s:
        client = await s.client(None, "p")
        for method in ("prompts/list", "resources/list"):
            assert "error" not in json.loads(await answer(client, method))


@real_loop()
async def test_without_a_principal_nothing_is_answered_but_the_greeting() -> None:
    async with scene(authorization=CLOSED) as s:
        nobody = await s.client(None)
        for name in (
            "open__get",
            "callmux_status",
            "callmux_search_tools",
            "callmux_cache_clear",
            "nothing",
        ):
            assert "authorization_principal_missing" in await called(nobody, name)
        for method in ("tools/list", "prompts/list", "resources/list", "tasks/list"):
            assert "authorization_principal_missing" in await answer(nobody, method)
        assert "instructions" not in nobody.greeting or "use " not in nobody.greeting["instructions"]
        assert effects(s.open) == []


@real_loop()
async def test_the_meaning_of_a_name_may_change_and_the_rules_stay() -> None:
    """A step that was allowed when the request came goes to another tool by the time it runs."""

    async with scene(authorization=CLOSED) as s:
        dev = await s.client("dev")
        go = asyncio.Event()

        async def slow(call: Call) -> Json:
            await go.wait()
            return text("done")

        s.open.tools["get"] = slow
        s.open.lists("tools", tool("get"), tool("unique"))
        s.open.tools["unique"] = lambda call: text("open")
        s.open.peer.tell("notifications/tools/list_changed")
        await found(s, "open")
        steps = {"steps": [{"tool": "open__get"}, {"tool": "unique"}]}
        running = asyncio.create_task(called(dev, "callmux_pipeline", steps))
        await s.open.peer.asked("tools/call")
        # Now the same name is one of the other server.
        s.open.lists("tools", tool("get"))
        s.open.peer.tell("notifications/tools/list_changed")
        s.vault.lists("tools", tool("unique"))
        s.vault.tools["unique"] = lambda call: text("vault")
        s.vault.peer.tell("notifications/tools/list_changed")
        await found(s, "vault")
        go.set()
        said = await running
        assert "closed" in said
        assert effects(s.vault) == []


async def found(s: Scene, server: str) -> None:
    """Waits until the name means a tool of this server."""
    while True:
        with contextlib.suppress(CallmuxError):
            if s.bench.host.runtime.find("unique", None).server == server:
                return
        await asyncio.sleep(0)


@real_loop()
@pytest.mark.parametrize("denied", ["vault__put", "vault__*", "put", "v__put", "*"])
async def test_a_call_that_comes_before_its_server_has_listed_anything_waits_and_is_judged(
    denied: str,
) -> None:
    vault, opened = full("vault"), full("open")
    go = asyncio.Event()
    lists = vault.handlers["tools/list"]

    async def slow(call: Call) -> Any:
        await go.wait()
        return lists(call)

    vault.handlers["tools/list"] = slow
    entries = {"vault": {"command": "memory", "prefix": "v"}, "open": {"command": "memory"}}
    rules = {"defaultEffect": "allow", "rules": [{"effect": "deny", "tools": [denied]}]}
    async with bench(vault, opened, single=False, entries=entries, authorization=rules) as made:
        client = made.client()
        client.session.facts.principal = principal("dev")
        await client.greet()
        calls = [
            asyncio.create_task(called(client, name, arguments))
            for name, arguments in [
                ("v__put", {}),
                ("callmux_call", {"tool": "put", "server": "vault"}),
                ("callmux_parallel", {"calls": [{"tool": "v__put"}, {"tool": "open__get"}]}),
            ]
        ]
        await vault.peer.asked("tools/list")
        go.set()
        for said in await asyncio.gather(*calls):
            assert "authorization_denied" in said
        assert effects(vault) == effects(opened) == []


@real_loop()
@pytest.mark.parametrize(
    "rule", [{"tools": ["alone__odd/*"]}, {"tools": ["odd/method"]}, {"tiers": ["write"]}]
)
async def test_a_method_that_nobody_knows_is_judged_by_its_name_and_may_write(rule: Json) -> None:
    alone = full("alone")
    rules = {"defaultEffect": "allow", "rules": [{"effect": "deny", **rule}]}
    async with bench(alone, single=False, authorization=rules) as made:
        client = made.client()
        client.session.facts.principal = principal("dev")
        await client.greet()
        error = await client.refused("odd/method", {"x": 1})
        assert error["data"]["tool"] == "alone__odd/method"
        assert effects(alone) == []


@real_loop()
async def test_a_notification_that_nobody_knows_may_write_too() -> None:
    alone = RawServer("alone")
    rules = {
        "defaultEffect": "allow",
        "rules": [{"effect": "deny", "tools": ["alone__notifications/odd"]}],
    }
    async with bench(alone, single=False, authorization=rules) as made:
        client = made.client()
        client.session.facts.principal = principal("dev")
        await client.greet()
        await made.host.runtime.settled()
        alone.has(t=text("t"))
        client.notify("notifications/odd", {"x": 1})
        client.notify("notifications/even", {"x": 1})
        await client.request("tools/list")
        told = [method for peer in alone.peers for method, _ in peer.notes]
        assert "notifications/odd" not in told


@real_loop()
async def test_instructions_of_a_server_are_for_those_who_may_use_it() -> None:
    rules = [{"effect": "deny", "principals": ["bearer:dev"], "tools": ["vault__*"]}]
    async with scene(authorization={"defaultEffect": "allow", "rules": rules}) as s:
        await s.client("ops")
        dev, ops = [json.dumps((await s.client(id)).greeting) for id in ("dev", "ops")]
        assert "use vault" not in dev
        assert "use open" in dev
        assert "use vault" in ops


@real_loop()
@pytest.mark.parametrize(
    ("rule", "reached"),
    [
        ({"tools": ["*__put"]}, ["get", "drop"]),
        ({"tiers": ["destroy"]}, ["get", "put"]),
        ({"tiers": ["write", "destroy"]}, ["get"]),
        ({"tiers": ["read"], "tools": ["open__*"]}, ["put", "drop"]),
    ],
)
async def test_rules_tell_tiers_apart(rule: Json, reached: list[str]) -> None:
    rules = {"defaultEffect": "allow", "rules": [{"id": "r", "effect": "deny", **rule}]}
    async with scene(authorization=rules) as s:
        dev = await s.client("dev")
        answers = {name: await called(dev, f"open__{name}") for name in ("get", "put", "drop")}
        assert [name for name, said in answers.items() if "authorization" not in said] == reached


@real_loop()
async def test_the_answer_says_code_reason_rule_and_canonical_name() -> None:
    async with scene(authorization=CLOSED) as s:
        result = json.loads(await called(await s.client("dev"), "v__put"))["result"]
        assert result["isError"] is True
        error = result["structuredContent"]["error"]
        assert error["code"] == "authorization_denied"
        assert error["details"] == {
            "code": "authorization_denied",
            "reason": 'the rule "closed" of authorization denies it',
            "ruleId": "closed",
            "tool": "vault__put",
        }


@real_loop()
@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("nothing", {}, "tool_not_found"),
        ("callmux_call", {"tool": "nothing"}, "tool_not_found"),
        ("callmux_batch", {"tool": "nothing", "items": [{}]}, "tool_not_found"),
        ("get", {}, "authorization_ambiguous_target"),
        ("callmux_call", {"tool": "get"}, "authorization_ambiguous_target"),
        ("callmux_parallel", {"calls": [{"tool": "nothing"}]}, "authorization_ambiguous_target"),
        (
            "callmux_pipeline",
            {"steps": [{"tool": "open__get"}, {"tool": "nothing"}]},
            "authorization_ambiguous_target",
        ),
        ("vault__nothing", {}, "authorization_denied"),
        ("callmux_call", {"tool": "nothing", "server": "vault"}, "authorization_denied"),
        ("open__nothing", {}, "tool_resolution_failed"),
        ("callmux_call", {"tool": "x", "server": "nowhere"}, "tool_resolution_failed"),
    ],
)
async def test_a_name_that_leads_nowhere_is_judged_as_it_stands(
    name: str, arguments: Json, code: str
) -> None:
    async with scene(authorization=CLOSED) as s:
        said = await called(await s.client("dev"), name, arguments)
        assert code in said
        assert effects(s.open) == effects(s.vault) == []


@real_loop()
async def test_a_disabled_server_changes_names_and_no_verdict() -> None:
    """With a second server, tools are listed with a prefix: rules mean the same tools as before."""

    rules = {
        "defaultEffect": "deny",
        "rules": [{"effect": "allow", "tools": ["alone__get", "alone__put"]}],
    }
    for more in ({}, {"off": {"command": "x", "disabled": True}}):
        alone = full("alone")
        async with bench(alone, single=False, entries=more, authorization=rules) as made:
            client = made.client()
            client.session.facts.principal = principal("dev")
            await client.greet()
            await made.host.runtime.settled()
            for spelled in ("alone__get", "get"):
                assert "alone" in await called(client, spelled)
            for spelled in ("alone__drop", "drop"):
                assert "authorization_default_deny" in await called(client, spelled)
            assert "authorization" in await called(client, "off__get")


@real_loop()
async def test_a_disabled_server_is_started_by_nobody() -> None:
    off = full("off")
    entries: dict[str, dict[str, Any]] = {
        "off": {"command": "memory", "disabled": True},
        "open": {"command": "memory"},
    }
    async with bench(off, full("open"), single=False, entries=entries, authorization=CLOSED) as made:
        client = made.client()
        client.session.facts.principal = principal("dev")
        await client.greet()
        for name, arguments in [("off__get", {}), ("callmux_call", {"tool": "get", "server": "off"})]:
            assert "server_disabled" in await called(client, name, arguments)
        assert off.peers == []


@real_loop()
async def test_names_do_not_depend_on_the_profile() -> None:
    async with scene(profiles={"p": {"servers": ["open"]}}) as s:
        whole, part = await s.client(None), await s.client(None, "p")
        names = [
            {tool["name"]: tool for tool in json.loads(await answer(c, "tools/list"))["result"]["tools"]}
            for c in (whole, part)
        ]
        assert names[1].items() <= names[0].items()
        assert {name for name in names[0] if name not in names[1]} == {
            name for name in names[0] if name.startswith("v__")
        }
