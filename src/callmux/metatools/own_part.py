"""The status payload as one client may see it: its servers, its recipes, its session. Pure.

Called by `callmux.metatools.status` where rules or profiles apply (`own_part`), and where clients have
credentials (`without_others`). What is not named in `own_part` is not shown, so that a new fact tells nobody
of others before somebody has decided that it may.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from callmux.upstream.catalogue import Catalogue

_GENERAL = (
    "mode",
    "namespace",
    "instanceId",
    "toolSuiteGeneration",
    "lastToolSuiteChangeAt",
    "cache",
    "responseStore",
    "maxConcurrency",
)
_OF_COMPRESSION = ("enabled", "mode", "maxDescriptionChars")
_OF_SESSIONS = ("sessions", "activeToolCalls")
_COUNTED = {"sessions": "activeSessions", "activeToolCalls": "activeToolCallCount"}
_OF_OTHERS = frozenset(
    {"scopedStdioClients", "unresolvedSessionCwd", "usage", *_OF_SESSIONS, *_COUNTED.values()}
)
_OF_NODES = ("id", "name", "away")
_OF_NODE = ("id", "name", "state", "version", "self", "leaving")
_RECORD_NAMES = ("addedTools", "removedTools", "toolFilter")


def own_part(
    facts: Mapping[str, Any], seen: Catalogue, recipes: Collection[str], about: Mapping[str, str]
) -> dict[str, Any]:
    """The payload less what belongs to others.

    Args:
        facts: The whole of it.
        seen: The tools that the client may call, and the servers it may know of.
        recipes: The recipes that it may run.
        about: What is known of its request: its `sessionId`.
    """
    part: dict[str, Any] = {key: facts[key] for key in _GENERAL if key in facts}
    for key in ("wrappedServers", "disabledServers"):
        part[key] = [name for name in facts.get(key, ()) if name in seen.servers]
    for key in ("servers", "failedServers"):
        part[key] = [_record(server, seen) for server in facts.get(key, ()) if server["name"] in seen.servers]
    if (compression := facts.get("schemaCompression")) is not None:
        servers = compression.get("servers", {})
        part["schemaCompression"] = {key: compression[key] for key in _OF_COMPRESSION if key in compression}
        # Their counts are those of all tools.
        own = {
            name: {key: value for key, value in facts.items() if key in _OF_COMPRESSION}
            for name, facts in servers.items()
            if name in seen.servers
        }
        if own:
            part["schemaCompression"]["servers"] = own
    shown = [recipe for recipe in facts.get("recipes", ()) if recipe["name"] in recipes]
    if shown:
        part |= {"recipes": shown, "recipeCount": len(shown)}
    if (listener := facts.get("listener")) is not None:
        part["listener"] = _session(listener, about.get("sessionId"))
        if (cluster := listener.get("cluster")) is not None:
            part["listener"]["cluster"] = _nodes(cluster, seen)
    return part


def without_others(listener: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, Any]:
    """What a listener says of itself, less the sessions and calls of others; how many there are is told.

    Args:
        listener: The whole of it.
        about: What is known of a client's request: its `sessionId`.
    """
    shown = dict(listener)
    for key in _OF_SESSIONS:
        if key in shown:
            shown[key] = _own(shown[key], key, about.get("sessionId"))
    if (scoped := shown.get("scopedStdioClients")) is not None:
        # They name directories.
        shown["scopedStdioClients"] = {**scoped, "items": []}
    return shown


def _own(rows: Sequence[Mapping[str, Any]], key: str, session: str | None) -> list[Mapping[str, Any]]:
    name = "id" if key == "sessions" else "sessionId"
    return [row for row in rows if session is not None and row.get(name) == session]


def _record(server: Mapping[str, Any], seen: Catalogue) -> dict[str, Any]:
    own = {entry.tool.name for entry in seen.of_server(server["name"])}
    shown = {key: value for key, value in server.items() if key != "totalTools"}
    for key in _RECORD_NAMES:
        if key in shown:
            shown[key] = [name for name in shown[key] if name in own]
    if "exposedTools" in shown:
        shown["exposedTools"] = len(own)
    return shown


def _nodes(cluster: Mapping[str, Any], seen: Catalogue) -> dict[str, Any]:
    """The nodes, each with the client's own servers. How many sessions they have is of everybody."""
    nodes = [
        {
            **{key: node[key] for key in _OF_NODE if key in node},
            "servers": {name: how for name, how in node.get("servers", {}).items() if name in seen.servers},
        }
        for node in cluster.get("nodes", ())
    ]
    return {**{key: cluster[key] for key in _OF_NODES if key in cluster}, "nodes": nodes}


def _session(listener: Mapping[str, Any], session: str | None) -> dict[str, Any]:
    shown = {key: value for key, value in listener.items() if key not in _OF_OTHERS}
    for key in _OF_SESSIONS:
        if key in listener:
            shown[key] = _own(listener[key], key, session)
            shown[_COUNTED[key]] = len(shown[key])
    return shown
