"""Nothing goes around the rules: every way to a server, under every name, with zero effects there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.names import presentable
from tests.interaction.raw_server import Json
from tests.support import real_loop

from .vault import LONG, URI, Scene, answer, called, effects, scene

DENIED = {
    "defaultEffect": "allow",
    "rules": [{"id": "no-vault", "effect": "deny", "tools": ["vault__*"], "principals": ["bearer:dev"]}],
}
NOT_ALLOWED = {
    "defaultEffect": "deny",
    "rules": [
        {"id": "ops", "effect": "allow", "principals": ["bearer:ops"]},
        {
            "id": "dev",
            "effect": "allow",
            "principals": ["bearer:dev"],
            "tools": ["open__*", "callmux_get_result"],
        },
    ],
}
EVERYTHING_FOR_OPS = {
    "defaultEffect": "deny",
    "rules": [
        {"id": "ops", "effect": "allow", "principals": ["id:ops"]},
        {"id": "no", "effect": "deny", "principals": ["*:dev"], "tools": ["vault__*"]},
        {"id": "dev", "effect": "allow", "principals": ["kind:bearer"], "tools": ["*"]},
    ],
}
TIERS = {
    "defaultEffect": "allow",
    "rules": [
        {
            "effect": "deny",
            "tools": ["vault__*"],
            "tiers": ["read", "write", "destroy"],
            "principals": ["id:dev"],
        }
    ],
}
CONFIGURATIONS: dict[str, Json] = {
    "denied": {"authorization": DENIED},
    "not allowed": {"authorization": NOT_ALLOWED},
    "allowed and denied": {"authorization": EVERYTHING_FOR_OPS},
    "by tier": {"authorization": TIERS},
    "profile": {"profiles": {"p": {"servers": ["open"]}}},
}

SPELLINGS: list[Json] = [
    {"tool": "vault__put"},
    {"tool": "vault__vault__put"},
    {"tool": "put", "server": "vault"},
    {"tool": "vault__put", "server": "vault"},
    {"tool": "v__put", "server": "vault"},
    {"tool": "v__put"},
    {"tool": presentable(f"v__{LONG}")},
    {"tool": f"vault__{LONG}"},
    {"tool": f"v__{LONG}"},
    {"tool": LONG, "server": "vault"},
    {"tool": "vault__get"},
    {"tool": "vault__drop"},
    {"tool": "vault__nothing"},
    {"tool": "put", "server": "vault", "cwd": "/"},
    {"tool": "put", "server": "vault", "timeoutMs": 5},
]


def through(spelled: Json) -> list[tuple[str, Json]]:
    """Every meta-tool that takes a tool."""
    call = {**spelled, "arguments": {"x": 1}}
    fine = {"tool": "open__get", "arguments": {}}
    batch = {**spelled, "items": [{"arguments": {}}, {"arguments": {"x": 2}}]}
    ways: list[tuple[str, Json]] = [
        ("callmux_call", call),
        ("callmux_call", {**call, "forceReconnect": True}),
        ("callmux_parallel", {"calls": [call]}),
        ("callmux_parallel", {"calls": [fine, call]}),
        ("callmux_batch", batch),
        ("callmux_pipeline", {"steps": [call]}),
        ("callmux_pipeline", {"steps": [fine, {**call, "inputMapping": {"y": "$text"}}]}),
        ("callmux_dry_run", call),
        ("callmux_dry_run", {"mode": "call", **call}),
        ("callmux_dry_run", {"mode": "parallel", "calls": [fine, call]}),
        ("callmux_dry_run", {"mode": "batch", **batch}),
        ("callmux_dry_run", {"mode": "pipeline", "steps": [fine, call]}),
    ]
    relayed = [("callmux_call", relay(name, given)) for name, given in ways if name != "callmux_call"]
    return ways + relayed[::3]


def relay(name: str, arguments: Json) -> Json:
    """Another meta-tool, asked for through `callmux_call`."""
    return {"tool": name, "arguments": arguments}


OFFERS: list[tuple[str, Json]] = [
    ("prompts/get", {"name": "v__ask"}),
    ("prompts/get", {"name": "vault__ask"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "v__ask"}, "argument": {"name": "a", "value": ""}},
    ),
    (
        "completion/complete",
        {
            "ref": {"type": "ref/resource", "uri": "file:///vault/{path}"},
            "argument": {"name": "path", "value": ""},
        },
    ),
    (
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "callmux://vault/file:///vault/{path}"}, "argument": {}},
    ),
    *[
        (method, {"uri": uri})
        for method in ("resources/read", "resources/subscribe", "resources/unsubscribe")
        for uri in (URI, f"callmux://vault/{URI}", f"callmux://v%61ult/{URI}", "callmux://vault/made:up")
    ],
]
"""Every way that is no tool, under every spelling."""


async def dev(s: Scene, name: str) -> Any:
    return await s.client("dev", "p" if name == "profile" else "")


@real_loop()
@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_no_name_and_no_meta_tool_reaches_a_tool_that_is_not_allowed(name: str) -> None:
    recipes = {
        f"r{n}": {"mode": "call", **{k: v for k, v in spelled.items() if k in ("tool", "server")}}
        for n, spelled in enumerate(SPELLINGS)
    }
    recipes["many"] = {"mode": "parallel", "calls": [{"tool": "open__get"}, {"tool": "v__put"}]}
    recipes["wrong"] = {"mode": "call", "tool": "v__put", "arguments": {"x": {"$param": "must"}}}
    async with scene(recipes=recipes, **CONFIGURATIONS[name]) as s:
        client = await dev(s, name)
        for spelled in SPELLINGS:
            if "server" not in spelled:
                refused(await called(client, spelled["tool"], {"x": 1}))
            for meta_tool, arguments in through(spelled):
                refused(await called(client, meta_tool, arguments))
        for recipe in recipes:
            refused(await called(client, "callmux_recipe_run", {"recipe": recipe}))
            refused(await called(client, "callmux_recipe_dry_run", {"recipe": recipe}))
        # A call that makes a task, and one with members that nobody knows.
        for extra in ({"task": {"ttl": 1}}, {"unknown": 1}, {"_meta": {"progressToken": 1}}):
            refused(await answer(client, "tools/call", {"name": "v__job", "arguments": {}, **extra}))
        assert effects(s.vault) == []
        # What ran before the refusal of a later step would be an effect, too.
        assert effects(s.open) == []


@real_loop()
async def test_what_is_asked_for_through_callmux_call_needs_no_less_than_by_its_own_name() -> None:
    """Denied by name is denied either way; and whoever may not use `callmux_call` has nothing through it."""
    ways: dict[str, Json] = {
        "callmux_parallel": {"calls": [{"tool": "open__get"}]},
        "callmux_get_result": {"ref": "r"},
        "callmux_recipe_run": {"recipe": "fine"},
        "callmux_search_tools": {"query": "get"},
        "callmux_status": {},
        "callmux_cache_clear": {},
    }
    fine = {"fine": {"mode": "call", "tool": "open__get"}}
    for denied in ("callmux_parallel", "callmux_cache_clear", "callmux_recipe_run", "callmux_call"):
        rules = [{"effect": "deny", "tools": [denied], "principals": ["bearer:dev"]}]
        authorization = {"defaultEffect": "allow", "rules": rules}
        async with scene(recipes=fine, authorization=authorization) as s:
            client = await s.client("dev")
            for name, arguments in ways.items():
                through_call = await called(client, "callmux_call", relay(name, arguments))
                directly = await called(client, name, arguments)
                assert ("authorization_" in directly) is (name == denied), name
                assert ("authorization_" in through_call) is (denied in (name, "callmux_call")), name
    # What must be allowed by its name, must be allowed here, too.
    only = {"defaultEffect": "deny", "rules": [{"effect": "allow", "tools": ["open__*"]}]}
    async with scene(authorization=only) as s:
        client = await s.client("dev")
        refused(await called(client, "callmux_call", relay("callmux_get_result", {"ref": "r"})))
        assert "authorization_" not in await called(client, "callmux_call", relay("callmux_status", {}))


@real_loop()
async def test_who_is_listed_few_is_told_of_no_recipe_and_no_meta_tool_that_is_not_allowed() -> None:
    lean: dict[str, Any] = {"persona": "code", "metaOnly": True, "toolIndexTokens": 1500}
    recipes = {"fine": {"mode": "call", "tool": "open__get"}}
    asked = relay("callmux_recipe_run", {"recipe": "fine"})
    for denied in ("nothing", "callmux_recipe_run", "open__get"):
        rules = [{"effect": "deny", "tools": [denied], "principals": ["bearer:dev"]}]
        authorization = {"defaultEffect": "allow", "rules": rules}
        async with scene(recipes=recipes, authorization=authorization, **lean) as s:
            client = await s.client("dev")
            listed = await answer(client, "tools/list")
            names = {tool["name"] for tool in json.loads(listed)["result"]["tools"]}
            assert names == {"callmux_call", "callmux_search_tools", "callmux_get_result"}
            assert ("fine()" in listed) is (denied == "nothing")
            assert ("callmux_recipe_run {recipe" in listed) is (denied != "callmux_recipe_run")
            assert "callmux_pipeline {steps" in listed
            assert ("open null" in await called(client, "callmux_call", asked)) is (denied == "nothing")


@real_loop()
@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_no_prompt_resource_completion_or_subscription_gets_around_either(name: str) -> None:
    async with scene(**CONFIGURATIONS[name]) as s:
        client = await dev(s, name)
        for method, params in OFFERS:
            refused(await answer(client, method, params), method, params)
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            assert "error" in await client.send(method, {"taskId": "vault-1"})
        assert "vault" not in await answer(client, "tasks/list")
        assert effects(s.vault) == []


@real_loop()
@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_lists_search_and_status_do_not_know_what_is_not_allowed(name: str) -> None:
    recipes = {
        "secret": {"mode": "call", "tool": "v__put"},
        "fine": {"mode": "call", "tool": "open__get"},
    }
    async with scene(recipes=recipes, **CONFIGURATIONS[name]) as s:
        client = await dev(s, name)
        seen = [json.dumps(client.greeting)]
        for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
            seen.append(await answer(client, method))
        seen.append(
            await called(
                client, "callmux_search_tools", {"query": "", "limit": 50, "includeInputSchema": True}
            )
        )
        seen.append(await called(client, "callmux_status", {"descriptions": True, "sessions": True}))
        # What is said of a name that leads nowhere names nothing else either.
        for tool in ("gte", "open__gte", "open__nothing"):
            seen.append(await called(client, tool))
            seen.append(await called(client, "callmux_call", {"tool": tool}))
        seen.append(await called(client, "callmux_search_tools", {"query": "x", "server": "nothing"}))
        seen.append(await called(client, "callmux_recipe_run", {"recipe": "nothing"}))
        for text in seen:
            for secret in ("vault", "v__", "secret"):
                assert secret not in text, text
        whole = " ".join(seen)
        for known in ("open__get", "open__ask", "file:///open/", "fine"):
            assert known in whole


@real_loop()
@pytest.mark.parametrize("name", CONFIGURATIONS)
async def test_who_may_use_everything_sees_and_reaches_everything(name: str) -> None:
    async with scene(**CONFIGURATIONS[name]) as s:
        client = await s.client("ops")
        listed = await answer(client, "tools/list")
        assert "v__put" in listed
        assert "vault put" in await called(client, "callmux_call", {"tool": "v__put"})
        assert "vault" in await answer(client, "resources/read", {"uri": URI})
        assert "messages" in await answer(client, "prompts/get", {"name": "v__ask"})
        assert len(effects(s.vault)) == 3


def refused(text: str, *about: Any) -> None:
    assert "authorization_" in text, (text, about)
