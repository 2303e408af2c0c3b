"""A server that writes down every effect, beside one that everybody may use; and clients who are somebody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from callmux.guard.principal import Principal
from tests.interaction.bench import Bench, Client, bench
from tests.interaction.raw_server import Json, RawServer, text

LONG = "a_tool_with_a_name_that_is_far_too_long_to_be_listed_as_it_is"
URI = "file:///vault/kept.txt"
READS = {"annotations": {"readOnlyHint": True}}
DESTROYS = {"annotations": {"destructiveHint": True}}
HARMLESS = frozenset(
    {
        "initialize",
        "ping",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "logging/setLevel",
    }
)
"""What callmux asks a server for by itself."""
EVERYTHING: Json = {
    "tools": {},
    "prompts": {},
    "resources": {"subscribe": True},
    "completions": {},
    "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
}
BIG = {"content": [{"type": "text", "text": "top secret " * 20_000}]}


def tool(name: str, **more: Any) -> Json:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def full(name: str) -> RawServer:
    """A server with everything that MCP has."""
    made = RawServer(
        name, capabilities=EVERYTHING, version="2025-11-25", greeting={"instructions": f"use {name}"}
    )
    made.tools = {
        "get": lambda call: text(f"{name} {json.dumps(call.params.get('arguments'))}"),
        "put": lambda call: text(f"{name} put"),
        "drop": lambda call: text(f"{name} dropped"),
        "big": lambda call: BIG,
        LONG: lambda call: text(f"{name} long"),
        "job": lambda call: {"task": task(f"{name}-{len(call.peer.calls['tools/call'])}")},
    }
    made.lists(
        "tools",
        tool("get", **READS),
        tool("put"),
        tool("drop", **DESTROYS),
        tool("big", **READS),
        tool(LONG),
        tool("job"),
    )
    made.lists("prompts", {"name": "ask"}, {"name": "plan"})
    made.lists("resources", {"name": "s", "uri": f"file:///{name}/kept.txt"})
    made.lists("resourceTemplates", {"name": "t", "uriTemplate": f"file:///{name}/{{path}}"})
    made.answers("prompts/get", {"messages": []})
    made.answers("resources/read", lambda call: {"contents": [{"uri": call.params["uri"], "text": name}]})
    made.answers("resources/subscribe", {})
    made.answers("resources/unsubscribe", {})
    made.answers("completion/complete", {"completion": {"values": [name]}})
    made.answers("tasks/list", lambda call: {"tasks": [task(f"{name}-1")]})
    made.answers("tasks/get", lambda call: task(call.params["taskId"]))
    made.answers("tasks/result", text(name))
    made.answers("tasks/cancel", lambda call: task(call.params["taskId"]))
    return made.answers("odd/method", {"odd": name})


def task(id: str) -> Json:
    when = "2025-11-25T10:30:00Z"
    return {"taskId": id, "status": "working", "createdAt": when, "lastUpdatedAt": when, "ttl": 60000}


def effects(server: RawServer) -> list[str]:
    """Every request that had an effect there."""
    return [
        method
        for peer in server.peers
        for method, calls in peer.calls.items()
        if method not in HARMLESS
        for _ in calls
    ]


def principal(id: str, **more: Any) -> Principal:
    return Principal(kind="bearer", id=id, **more)


class Scene:
    """Two servers that have everything, and who asks.

    Attributes:
        vault: What must stay closed to `dev`.
        open: What is open to everybody.
    """

    def __init__(self, bench: Bench, vault: RawServer, open: RawServer) -> None:
        self.bench = bench
        self.vault = vault
        self.open = open

    async def client(self, id: str | None, profile: str = "", **more: Any) -> Client:
        """A client who is somebody, and has greeted."""
        client = self.bench.client()
        client.session.facts.principal = None if id is None else principal(id, **more)
        client.session.facts.profile = profile
        client.greeting = await client.greet()
        await self.bench.host.runtime.settled()
        return client

    def forget(self) -> None:
        """What the servers have done so far does not count."""
        for server in (self.vault, self.open):
            for peer in server.peers:
                peer.calls = {m: c for m, c in peer.calls.items() if m in HARMLESS}


@asynccontextmanager
async def scene(**config: Any) -> AsyncIterator[Scene]:
    """Both servers behind a listener's host. The tools of `vault` are listed as `v__...`."""
    vault, opened = full("vault"), full("open")
    entries = {name: {"command": "memory"} for name in ("vault", "open")}
    entries["vault"]["prefix"] = "v"
    async with bench(vault, opened, single=False, entries=entries, **config) as made:
        yield Scene(made, vault, opened)


async def answer(client: Client, method: str, params: Any = None) -> str:
    """The whole answer to a request, as text."""
    return json.dumps(await client.send(method, params))


async def called(client: Client, name: str, arguments: Any = None) -> str:
    """The whole answer to a tool call, as text."""
    return await answer(client, "tools/call", {"name": name, "arguments": arguments or {}})
