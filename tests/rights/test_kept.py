"""What was read for one is not there for another: kept and cached results, shared reads, tasks, updates."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from callmux.config.check import check_document
from tests.interaction.raw_server import Call, Json, text
from tests.support import real_loop

from .vault import URI, Scene, answer, called, effects, scene

ALL: Json = {"defaultEffect": "allow", "rules": [{"effect": "deny", "tools": ["x"]}]}
"""Rules that leave everybody everything."""
NO_VAULT: Json = {
    "defaultEffect": "allow",
    "rules": [{"id": "closed", "effect": "deny", "tools": ["vault__*"]}],
}
DIFFERENT: Json = {
    "defaultEffect": "allow",
    "rules": [{"effect": "deny", "principals": ["bearer:dev"], "tools": ["open__drop"]}],
}
"""Rules that say something else of `dev` than of the others, all of whom may read."""
CACHED: Json = {"cacheTtlSeconds": 60}


async def reload(s: Scene, **config: Any) -> None:
    """The same servers under another configuration."""
    checked = check_document({"servers": s.bench.entries, **config})
    assert checked.errors == []
    await s.bench.host.reload(checked.config)


async def ref_of(client: Any, tool: str = "vault__big", arguments: Json | None = None) -> str:
    found = re.search(r"r_[0-9a-f-]{36}", await called(client, tool, arguments))
    assert found is not None
    return found[0]


@real_loop()
async def test_a_kept_result_is_for_whom_it_was_kept() -> None:
    async with scene(authorization=ALL) as s:
        ops, dev = await s.client("ops"), await s.client("dev")
        ref = await ref_of(ops)
        for tool, arguments in pages(ref):
            assert "top secret" in await called(ops, tool, arguments)
            assert "result_not_found" in await called(dev, tool, arguments)


@real_loop()
@pytest.mark.parametrize("tool", ["vault__big", "callmux_parallel"])
async def test_a_kept_result_of_a_tool_that_is_not_allowed_any_more_is_refused(tool: str) -> None:
    async with scene(authorization=ALL) as s:
        dev = await s.client("dev")
        if tool == "vault__big":
            ref = await ref_of(dev)
        else:
            calls = {"calls": [{"tool": "open__get"}, {"tool": "vault__big"}]}
            ref = await ref_of(dev, tool, calls)
        assert "top secret" in await called(dev, "callmux_get_result", {"ref": ref})
        await reload(s, authorization=NO_VAULT)
        for name, arguments in pages(ref):
            said = await called(dev, name, arguments)
            assert "closed" in said
            assert "top secret" not in said
        # Rules that allow it again allow what is still kept, too.
        await reload(s, authorization=ALL)
        assert "top secret" in await called(dev, "callmux_get_result", {"ref": ref})


def pages(ref: str) -> list[tuple[str, Json]]:
    """The ways to ask for more of a result."""
    return [
        ("callmux_get_result", {"ref": ref}),
        ("callmux_call", {"tool": "callmux_get_result", "arguments": {"ref": ref}}),
        ("callmux_call", {"tool": "callmux_get_result", "server": "callmux", "arguments": {"ref": ref}}),
        ("callmux_get_result", {"ref": ref, "search": "secret"}),
    ]


@real_loop()
async def test_pages_must_be_allowed_by_name_like_a_tool() -> None:
    rules = [{"effect": "allow", "tools": ["vault__*"]}]
    async with scene(authorization={"defaultEffect": "deny", "rules": rules}) as s:
        dev = await s.client("dev")
        ref = await ref_of(dev)
        for tool, arguments in pages(ref):
            assert "authorization_default_deny" in await called(dev, tool, arguments)
        assert "callmux_get_result" not in names(await answer(dev, "tools/list"))


def names(listed: str) -> list[str]:
    return [tool["name"] for tool in json.loads(listed)["result"]["tools"]]


@real_loop()
async def test_a_cached_read_is_for_those_with_the_same_rights() -> None:
    async with scene(authorization=DIFFERENT, **CACHED) as s:
        ops, too, dev = [await s.client(name) for name in ("ops", "too", "dev")]
        for client, so_far in ((ops, 1), (ops, 1), (too, 1), (dev, 2), (dev, 2), (ops, 2)):
            assert "open" in await called(client, "open__get", {"a": 1})
            assert effects(s.open).count("tools/call") == so_far


@real_loop()
async def test_a_read_is_shared_by_those_with_the_same_rights() -> None:
    async with scene(authorization=DIFFERENT) as s:
        go = asyncio.Event()

        async def slow(call: Call) -> Json:
            await go.wait()
            return text("read")

        s.open.tools["get"] = slow
        clients = [await s.client(name) for name in ("ops", "too", "dev", "dev")]
        reads = [asyncio.create_task(called(client, "open__get")) for client in clients]
        await s.open.peer.until(lambda peer: len(peer.calls.get("tools/call", [])) == 2)
        go.set()
        assert all("read" in said for said in await asyncio.gather(*reads))
        assert effects(s.open) == ["tools/call"] * 2


@real_loop()
@pytest.mark.parametrize(
    "arguments", [{}, {"tool": "*"}, {"server": "open"}, {"tool": "get", "server": "open"}]
)
async def test_who_clears_the_cache_clears_what_is_theirs(arguments: Json) -> None:
    async with scene(authorization=DIFFERENT, **CACHED) as s:
        ops, dev = await s.client("ops"), await s.client("dev")
        for client in (ops, dev):
            await called(client, "open__get")
        assert '"cleared\\":1' in (await called(dev, "callmux_cache_clear", arguments)).replace(" ", "")
        await called(ops, "open__get")
        assert effects(s.open).count("tools/call") == 2
        await called(dev, "open__get")
        assert effects(s.open).count("tools/call") == 3


@real_loop()
async def test_a_cached_read_is_gone_with_the_right_to_it() -> None:
    async with scene(authorization=ALL, **CACHED) as s:
        dev = await s.client("dev")
        assert "vault" in await called(dev, "vault__get")
        await reload(s, authorization=NO_VAULT, **CACHED)
        said = await called(dev, "callmux_parallel", {"calls": [{"tool": "vault__get"}]})
        assert "closed" in said
        assert effects(s.vault) == ["tools/call"]


@real_loop()
async def test_a_task_goes_with_the_right_to_its_tool() -> None:
    async with scene(authorization=ALL) as s:
        dev, other = await s.client("dev"), await s.client("other")
        made = await answer(dev, "tools/call", {"name": "vault__job", "arguments": {}, "task": {}})
        assert "vault-1" in made
        assert "vault-1" in await answer(dev, "tasks/get", {"taskId": "vault-1"})
        assert "vault-1" in await answer(dev, "tasks/list")
        assert "vault-1" not in await answer(other, "tasks/list")
        await reload(s, authorization=NO_VAULT)
        s.forget()
        for method in ("tasks/get", "tasks/result", "tasks/cancel"):
            assert "closed" in await answer(dev, method, {"taskId": "vault-1"})
            assert "error" in json.loads(await answer(other, method, {"taskId": "vault-1"}))
        assert "vault-1" not in await answer(dev, "tasks/list")
        assert [method for method in effects(s.vault) if method != "tasks/list"] == []


@real_loop()
async def test_who_may_only_write_follows_the_task_of_a_write() -> None:
    """Questions about a task are judged as its tool is, whatever tier they have themselves."""

    rules = [{"effect": "allow", "tools": ["vault__job"], "tiers": ["write"]}]
    async with scene(authorization={"defaultEffect": "deny", "rules": rules}) as s:
        dev = await s.client("dev")
        await answer(dev, "tools/call", {"name": "vault__job", "arguments": {}, "task": {}})
        for method in ("tasks/get", "tasks/cancel"):
            assert "vault-1" in await answer(dev, method, {"taskId": "vault-1"})


@real_loop()
async def test_a_subscription_that_another_has_made_is_not_joined_without_the_right_to_it() -> None:
    rules = [{"id": "closed", "effect": "deny", "principals": ["bearer:dev"], "tools": ["vault__*"]}]
    async with scene(authorization={"defaultEffect": "allow", "rules": rules}) as s:
        ops, dev = await s.client("ops"), await s.client("dev")
        assert "result" in await answer(ops, "resources/subscribe", {"uri": URI})
        assert "closed" in await answer(dev, "resources/subscribe", {"uri": URI})
        assert "closed" in await answer(dev, "resources/unsubscribe", {"uri": URI})
        s.vault.peer.tell("notifications/resources/updated", {"uri": URI})
        await ops.told("notifications/resources/updated")
        assert dev.notes == []
        assert effects(s.vault) == ["resources/subscribe"]


@real_loop()
async def test_updates_end_with_the_right_to_the_resource() -> None:
    async with scene(authorization=ALL) as s:
        dev, ops = await s.client("dev"), await s.client("ops")
        for client in (dev, ops):
            await answer(client, "resources/subscribe", {"uri": URI})
        rules = [{"effect": "deny", "principals": ["bearer:dev"], "tools": [f"vault__{URI}"]}]
        await reload(s, authorization={"defaultEffect": "allow", "rules": rules})
        s.vault.peer.tell("notifications/resources/updated", {"uri": URI})
        s.vault.peer.tell("notifications/resources/updated", {"uri": f"{URI}#part"})
        await ops.told("notifications/resources/updated", 2)
        assert dev.heard("notifications/resources/updated") == []


@real_loop()
@pytest.mark.parametrize(
    ("method", "kind"),
    [("tools/list", "tools"), ("prompts/list", "prompts"), ("resources/list", "resources")],
)
async def test_each_is_told_when_their_own_list_has_changed_and_only_then(method: str, kind: str) -> None:
    async with scene(authorization=ALL) as s:
        dev, ops = await s.client("dev"), await s.client("ops")
        before = await answer(dev, method)
        assert before.partition('"result"')[2] == (await answer(ops, method)).partition('"result"')[2]
        rules = [{"effect": "deny", "principals": ["bearer:dev"], "tools": ["vault__*"]}]
        await reload(s, authorization={"defaultEffect": "allow", "rules": rules})
        await dev.told(f"notifications/{kind}/list_changed")
        assert ops.notes == []
        mark = "vault" if kind == "resources" else '"v__'
        assert mark not in await answer(dev, method)
        assert mark in await answer(ops, method)
        # All is taken, then all is given: both are changes.
        await reload(
            s,
            authorization={
                "defaultEffect": "deny",
                "rules": [{"effect": "allow", "principals": ["bearer:ops"]}],
            },
        )
        await dev.told(f"notifications/{kind}/list_changed", 2)
        await reload(s)
        await dev.told(f"notifications/{kind}/list_changed", 3)
        assert ops.notes == []
