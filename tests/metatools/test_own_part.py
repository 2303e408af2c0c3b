"""The status as one client may see it: nothing of others, and nothing that nobody has decided on."""

from __future__ import annotations

import json
from typing import Any

from callmux.metatools.own_part import own_part, without_others
from callmux.protocol.shapes import Tool
from callmux.upstream.catalogue import Catalogue, ServerTools

WHOLE = Catalogue(
    [
        ServerTools(server=name, tools=[Tool(json.dumps({"name": t}).encode()) for t in "xyz"], listed=True)
        for name in ("a", "b")
    ]
)
PART = WHOLE.limited(lambda entry: entry.tool.name == "x", {"a"})
FACTS: dict[str, Any] = {
    "mode": "standard",
    "wrappedServers": ["a", "b"],
    "servers": [
        {"name": "a", "toolFilter": ["x", "y"], "totalTools": 3, "exposedTools": 3, "addedTools": ["x", "z"]},
        {"name": "b"},
    ],
    "failedServers": [{"name": "b", "error": "secret"}],
    "disabledServers": ["b"],
    "schemaCompression": {"enabled": True, "tools": 9, "servers": {"a": {"tools": 3}, "b": {"tools": 3}}},
    "recipes": [{"name": "r"}, {"name": "s"}],
    "recipeCount": 2,
    "listener": {
        "activeSessions": 2,
        "sessions": [{"id": "mine", "cwd": "/m"}, {"id": "theirs", "cwd": "/t"}],
        "activeToolCalls": [{"sessionId": "theirs", "tool": "b__x"}],
        "activeToolCallCount": 1,
        "scopedStdioClients": {"items": [{"cwd": "/t"}]},
        "unresolvedSessionCwd": {"b": 1},
        "reloads": 3,
    },
    "something new": "of everybody",
}


def test_it_has_the_clients_own_servers_recipes_and_session() -> None:
    part = own_part(FACTS, PART, {"r"}, {"sessionId": "mine"})
    assert part == {
        "mode": "standard",
        "wrappedServers": ["a"],
        "disabledServers": [],
        "servers": [{"name": "a", "toolFilter": ["x"], "exposedTools": 1, "addedTools": ["x"]}],
        "failedServers": [],
        "schemaCompression": {"enabled": True, "servers": {"a": {}}},
        "recipes": [{"name": "r"}],
        "recipeCount": 1,
        "listener": {
            "reloads": 3,
            "sessions": [{"id": "mine", "cwd": "/m"}],
            "activeSessions": 1,
            "activeToolCalls": [],
            "activeToolCallCount": 0,
        },
    }


def test_without_a_session_there_is_none_of_anybody() -> None:
    part = own_part(FACTS, PART, (), {})
    assert part["listener"]["sessions"] == []
    assert "recipes" not in part


def test_where_no_rules_apply_only_sessions_and_calls_of_others_are_left_out() -> None:
    shown = without_others(FACTS["listener"], {"sessionId": "mine"})
    assert shown == {
        **FACTS["listener"],
        "sessions": [{"id": "mine", "cwd": "/m"}],
        "activeToolCalls": [],
        "scopedStdioClients": {"items": []},
    }
    assert without_others({"reloads": 3}, {}) == {"reloads": 3}


def test_what_status_does_not_say_is_not_made_up() -> None:
    assert own_part({"servers": [{"name": "a"}]}, PART, ["r"], {"sessionId": "mine"}) == {
        "wrappedServers": [],
        "disabledServers": [],
        "servers": [{"name": "a"}],
        "failedServers": [],
    }
    compression = {"enabled": True, "servers": {"b": {"tools": 3}}}
    part = own_part({"schemaCompression": compression, "listener": {"reloads": 3}}, PART, (), {})
    assert part["schemaCompression"] == {"enabled": True}
    assert part["listener"] == {"reloads": 3}


def test_of_nodes_it_shows_the_clients_own_servers_and_nothing_that_counts_others() -> None:
    node = {"id": "n.1", "name": "n", "state": "up", "version": "1", "sessions": 7, "new": "of everybody"}
    cluster = {
        "id": "n.1",
        "name": "n",
        "away": [],
        "sessions": 7,
        "passedOn": 3,
        "lost": [],
        "nodes": [{**node, "servers": {"a": "ready", "b": "down"}, "self": True}, {"id": "m.1", "name": "m"}],
    }
    part = own_part({**FACTS, "listener": {"cluster": cluster}}, PART, (), {"sessionId": "mine"})
    about = {key: node[key] for key in ("id", "name", "state", "version")}
    assert part["listener"]["cluster"] == {
        "id": "n.1",
        "name": "n",
        "away": [],
        "nodes": [
            {**about, "self": True, "servers": {"a": "ready"}},
            {"id": "m.1", "name": "m", "servers": {}},
        ],
    }
    assert without_others({"cluster": cluster}, {}) == {"cluster": cluster}
