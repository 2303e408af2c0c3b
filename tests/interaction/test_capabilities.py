"""What callmux declares is answered, whatever servers declare and however callmux is configured."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmux.protocol.jsonrpc import METHOD_NOT_FOUND
from tests.support import run

from .bench import TRANSPARENT, Client, bench, interaction
from .raw_server import Json, RawServer, text
from .requirements import requirement

UI, SKILLS = "io.modelcontextprotocol/ui", "io.modelcontextprotocol/skills"
CAPABILITIES: dict[str, list[Any]] = {
    "tools": [{}, {"listChanged": True}],
    "prompts": [{}],
    "resources": [{}, {"subscribe": True}, {"subscribe": False, "listChanged": True}],
    "completions": [{}],
    "logging": [{}],
    "tasks": [{"list": {}, "cancel": {}}, {"requests": {"tools": {"call": {}}}}],
    "extensions": [
        {UI: {"mimeTypes": ["a"]}},
        {SKILLS: {}},
        {SKILLS: {"directoryRead": True}},
        {SKILLS: {"directoryRead": False}, UI: {}},
        {UI: {}, SKILLS: {}, "com.example/x": {}},
    ],
    "x-own": [{}],
    "experimental": [{}, {"theirs": {}}],
}
CONFIGURATIONS: dict[str, Json] = {
    "usual": {},
    "meta-only": {"metaOnly": True},
    "no meta-tools": {"exposeMetaTools": False},
    "transparent": TRANSPARENT,
}
COMPLETION = {"ref": {"type": "ref/prompt", "name": "{}p"}, "argument": {"name": "a", "value": ""}}
PROBES: dict[str, list[tuple[str, Json]]] = {
    "tools": [("tools/list", {}), ("tools/call", {"name": "nope"})],
    "prompts": [("prompts/list", {}), ("prompts/get", {"name": "{}p"})],
    "resources": [
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("resources/read", {"uri": "{}:r"}),
    ],
    "subscribe": [("resources/subscribe", {"uri": "{}:r"}), ("resources/unsubscribe", {"uri": "{}:r"})],
    "completions": [("completion/complete", COMPLETION)],
    "logging": [("logging/setLevel", {"level": "info"})],
    "tasks.list": [("tasks/list", {})],
    "tasks.cancel": [("tasks/cancel", {"taskId": "t"})],
    "tasks.requests": [("tools/call", {"name": "nope", "task": {}})],
    UI: [],
    SKILLS: [("skills/list", {}), ("skills/get", {"uri": "{}:r"})],
    "directoryRead": [("resources/directory/read", {"uri": "{}:d"})],
    "com.example/x": [("x/list", {})],
    "x-own": [("x-own/list", {})],
}

EXTENSIONS = {SKILLS, "directoryRead", "com.example/x"}
OF_SESSIONS = {"subscribe", "logging", "tasks.list", "tasks.cancel", "tasks.requests"}
"""What clients without a handshake have no requests for."""
MODERN: Json = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def serving(it: RawServer) -> RawServer:
    """The server, answering exactly what it declares of the specification's own capabilities but tasks."""
    capabilities = it.capabilities
    for method in ("tools/list", "tools/call", "logging/setLevel"):
        it.handlers.pop(method, None)
    if "tools" in capabilities or "requests" in capabilities.get("tasks", {}) or not capabilities:
        it.answers("tools/call", text("")).lists("tools", {"name": "t", "inputSchema": {"type": "object"}})
    if "prompts" in capabilities:
        it.lists("prompts", {"name": "p"}).answers("prompts/get", {"messages": []})
    if "resources" in capabilities:
        it.lists("resources", {"uri": f"{it.name}:r", "name": "r"}).lists("resourceTemplates")
        it.answers("resources/read", {"contents": []})
        if capabilities["resources"].get("subscribe"):
            it.answers("resources/subscribe", {}).answers("resources/unsubscribe", {})
    if "completions" in capabilities:
        it.answers("completion/complete", {"completion": {"values": []}})
    if "logging" in capabilities:
        it.answers("logging/setLevel", {})
    return it


def server(name: str, capabilities: Json) -> RawServer:
    """A server that answers exactly what it declares."""
    it = serving(RawServer(name, capabilities=capabilities))
    if "list" in capabilities.get("tasks", {}):
        it.answers("tasks/list", {"tasks": []})
        it.answers("tasks/cancel", {"taskId": "t", "status": "cancelled"})
    if (skills := capabilities.get("extensions", {}).get(SKILLS)) is not None:
        it.answers("skills/list", {"skills": []}).answers("skills/get", {"skill": {"uri": f"{name}:r"}})
        if skills.get("directoryRead"):
            it.answers("resources/directory/read", {"resources": []})
    if "com.example/x" in capabilities.get("extensions", {}):
        it.answers("x/list", {})
    if "x-own" in capabilities:
        it.answers("x-own/list", {})
    return it


def declared(capabilities: Json) -> list[str]:
    """The keys of `PROBES` that these capabilities stand for."""
    found = [name for name in capabilities if name not in ("tasks", "extensions", "experimental")]
    if capabilities.get("resources", {}).get("subscribe"):
        found.append("subscribe")
    found += [f"tasks.{part}" for part in capabilities.get("tasks", {})]
    if capabilities.get("extensions", {}).get(SKILLS, {}).get("directoryRead"):
        found.append("directoryRead")
    return found + list(capabilities.get("extensions", {}))


def filled(params: Any, name: str, prefix: str) -> Any:
    """Params with the names that clients know things of this server by."""
    if isinstance(params, dict):
        return {key: filled(value, name, name if key == "uri" else prefix) for key, value in params.items()}
    return params.replace("{}", prefix) if isinstance(params, str) else params


async def check(client: Client, names: list[str], capabilities: Json, more: Json) -> None:
    """Each method of what is declared is there, for whatever any server has listed; an extension that is not
    declared is not there.

    Args:
        more: What stands in each request beside.
    """
    there = [p for p in declared(capabilities) if not (more and p in OF_SESSIONS)]
    for capability, name in itertools.product(there, names):
        for method, params in PROBES[capability]:
            given = filled(params, name, f"{name}__" if len(names) > 1 else "")
            message = await client.send(method, {**given, **more})
            code = message.get("error", {}).get("code")
            assert code != METHOD_NOT_FOUND, (capability, method, given, capabilities)
    for capability in EXTENSIONS - set(there):
        for method, params in PROBES[capability]:
            message = await client.send(method, {**filled(params, names[0], ""), **more})
            # Of one server, it may have been declared before the server was there.
            if len(names) > 1 or capability not in (SKILLS, "directoryRead"):
                assert message.get("error", {}).get("code") in (METHOD_NOT_FOUND, -32602), (
                    capability,
                    message,
                )


async def scene(config: Json, all: list[Json]) -> None:
    servers = [server(f"s{n}", capabilities) for n, capabilities in enumerate(all)]
    async with bench(*servers, single=len(all) == 1, **config) as b:
        client = b.client()
        capabilities = (await client.greet(capabilities={"extensions": {UI: {}}}))["capabilities"]
        if config is TRANSPARENT and len(all) == 1:
            assert capabilities == all[0]
        await check(client, [s.name for s in servers], capabilities, {})
        # Of one server on stdio there is one client, which may speak both.
        client = client if len(all) == 1 else b.client()
        told = (await client.request("server/discover", MODERN))["capabilities"]
        assert told == {name: value for name, value in capabilities.items() if name != "tasks"}
        await check(client, [s.name for s in servers], told, MODERN)


one_server = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(c) for name, c in CAPABILITIES.items()}
)


@requirement("initialize.served")
@given(config=st.sampled_from(sorted(CONFIGURATIONS)), all=st.lists(one_server, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_capability_that_is_declared_has_its_methods(config: str, all: list[Json]) -> None:
    run(scene(CONFIGURATIONS[config], all), 20)


@pytest.mark.parametrize("config", CONFIGURATIONS)
@pytest.mark.parametrize(("first", "second"), [*itertools.product([True, False], repeat=2)])
@interaction("initialize.served")
async def test_an_extension_that_nobody_knows_is_declared_for_one_server_alone(
    config: str, first: bool, second: bool
) -> None:
    """Of several nobody could tell whose its requests are."""
    skilled: Json = {"tools": {}, "extensions": {UI: {}, SKILLS: {}, "com.example/x": {}}}
    all = [skilled if has else {"tools": {}} for has in (first, second)]
    await scene(CONFIGURATIONS[config], all)
    await scene(CONFIGURATIONS[config], all[:1])
    async with bench(*[server(f"s{n}", c) for n, c in enumerate(all)], **CONFIGURATIONS[config]) as b:
        told = (await b.client().greet())["capabilities"].get("extensions", {})
        assert told == ({UI: {}, SKILLS: {}} if first or second else {})
