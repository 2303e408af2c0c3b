"""One look at one server in one directory: what it lists and answers there, and whether it asks for roots.

Called by `callmux.doctor.two_directories`. It calls only tools that say that they only read and that need no
arguments, where the configuration does not say that they write, and it reads resources. What the
configuration keeps from clients is left alone. A server does there what it would do for any client that looks
at it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from callmux import __version__, names
from callmux.config.servers import StdioServer
from callmux.guard.tiers import READ, Tiers
from callmux.places import known_state_dir
from callmux.protocol.jsonrpc import METHOD_NOT_FOUND, RpcError
from callmux.protocol.params import members
from callmux.protocol.shapes import Tool
from callmux.upstream.belongings import running
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.guardian import Guardian
from callmux.upstream.hooks import Hooks
from callmux.upstream.inventory.offer import RESOURCES
from callmux.upstream.links.opening import Surroundings, open_link
from callmux.upstream.probe import Seen
from callmux.upstream.reading.lists import read_all
from callmux.upstream.resources import ResourceIndex, ServerResources

MOST_ANSWERS = 3
"""How many tools are called, and how many resources read."""
ANSWER_SECONDS = 5.0
"""For each of them."""


class SeenThere(msgspec.Struct, frozen=True):
    """What a server showed in one directory.

    Attributes:
        seen: All that it has listed.
        answers: What it answered, by what it was asked.
        asked_for_roots: Whether it asked its client for the directories that it works in.
    """

    seen: Seen
    answers: dict[str, bytes]
    asked_for_roots: bool


async def look_there(
    name: str,
    server: StdioServer,
    place: Path,
    *,
    seconds: float,
    base_dir: Path,
    heard: Callable[[str], None] = lambda line: None,
) -> SeenThere:
    """Starts `server` in `place`, lists all that it has, asks it what does no harm, and ends it.

    Args:
        seconds: For the handshake, and again for each list.
        heard: Takes each line that it writes to its stderr.

    Raises:
        CallFailure: It cannot be asked.
        msgspec.MsgspecError: It lists what cannot be read.
    """
    guardian = Guardian(running(known_state_dir(os.environ)))
    asked: set[str] = set()

    async def answer(_: Connection, method: str, *__: object) -> bytes:
        asked.add(method)
        if method == "roots/list":
            return msgspec.json.encode({"roots": [{"uri": place.as_uri(), "name": place.name}]})
        raise RpcError(METHOD_NOT_FOUND, f"method not found: {method}")

    around = Surroundings(
        env=dict(os.environ), base_dir=base_dir, guardian=guardian, show=lambda _, line: heard(line)
    )
    hooks = Hooks(told=_nothing, asked=answer, lost=_nothing, noise=_nothing)
    there = msgspec.structs.replace(server, cwd=str(place))
    connection: Connection | None = None
    try:
        connection = Connection(name, open_link(name, there, around), hooks)
        about = msgspec.json.encode({"name": "callmux-doctor", "version": __version__})
        init = await connection.open(about, b'{"roots":{"listChanged":false}}', seconds)
        seen = Seen(*await read_all(connection, init, seconds))
        answers = await _answers(
            connection, questions(name, server, seen.tools), readings(name, server, seen)
        )
        return SeenThere(seen, answers, "roots/list" in asked)
    finally:
        try:
            if connection is not None:
                await connection.close()
        finally:
            await guardian.end()


def _nothing(*_: object) -> None:
    """Hears, and does nothing."""


def questions(name: str, server: StdioServer, tools: Sequence[Tool]) -> list[str]:
    """The tools that may be called to see what they answer: harmless ones that clients have, and that the
    configuration does not call writing (`tiers`)."""
    tiers = Tiers(server.tiers)
    return [
        tool.name
        for tool in tools
        if server.exposes(tool.name)
        and tiers.of_tool(tool, names.spellings(name, tool.name, server.prefix)) == READ
        and is_harmless(tool.raw)
    ]


def readings(name: str, server: StdioServer, seen: Seen) -> list[str]:
    """The URIs of the resources that may be read: those that clients have."""
    index = ResourceIndex([ServerResources(server=name, allowed=server.resources)])
    listed = seen.offer.items.get(RESOURCES, ())
    return [item.key for item in listed if index.allows(name, item.key)]


async def _answers(
    connection: Connection, tools: Sequence[str], resources: Sequence[str]
) -> dict[str, bytes]:
    chosen: dict[str, tuple[str, dict[str, Any]]] = {
        f"tool {tool}": ("tools/call", {"name": tool, "arguments": {}}) for tool in tools[:MOST_ANSWERS]
    }
    chosen |= {f"resource {uri}": ("resources/read", {"uri": uri}) for uri in resources[:MOST_ANSWERS]}
    answers = {}
    for what, (method, params) in chosen.items():
        # What it refuses, or does not answer in time, says nothing of its directory.
        with suppress(CallFailure):
            answers[what] = await connection.request(method, msgspec.json.encode(params), ANSWER_SECONDS)
    return answers


def is_harmless(raw: bytes) -> bool:
    """Whether a tool says of itself that it only reads and can be called without arguments, and not that it
    reaches out.

    Args:
        raw: Its definition.
    """
    definition = members(Raw(raw))
    hints = members(definition.get("annotations"))
    schema = members(definition.get("inputSchema"))
    needed = bytes(schema.get("required", Raw(b"[]"))).strip()
    reads = bytes(hints.get("readOnlyHint", Raw(b"false"))) == b"true"
    reaches = bytes(hints.get("openWorldHint", Raw(b"false"))) == b"true"
    return reads and not reaches and needed in (b"[]", b"null")
