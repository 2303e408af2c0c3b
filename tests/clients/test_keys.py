"""The table of keys is whole, and decides whether an entry moves."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from callmux.clients.detect import KINDS
from callmux.clients.keys import DENYING, KEYS, judge
from callmux.config.json_text import parse_json
from callmux.setup.found import ClientFile, find_servers

FILES = Path(__file__).parent / "files"
"""A file of each client with every key that its current version documents, as its documentation writes it."""
SOURCES = {
    "claude": ("claude.json", "mcpServers"),
    "codex": ("codex.toml", "mcp_servers"),
    "claude-desktop": ("claude-desktop.json", "mcpServers"),
    "cursor": ("cursor.json", "mcpServers"),
    "vscode": ("vscode.json", "servers"),
    "windsurf": ("windsurf.json", "mcpServers"),
    "gemini": ("gemini.json", "mcpServers"),
}


def text(kind: str) -> str:
    return (FILES / SOURCES[kind][0]).read_text("utf-8")


def entries(kind: str) -> dict[str, Any]:
    document = tomllib.loads(text(kind)) if kind == "codex" else parse_json(text(kind))
    servers = document[SOURCES[kind][1]]
    assert isinstance(servers, dict)
    return servers


def test_every_client_that_setup_reads_has_a_table() -> None:
    assert set(KEYS) == set(KINDS) - {"generic"}
    assert set(SOURCES) == set(KEYS)


@pytest.mark.parametrize("kind", KEYS)
def test_every_key_of_the_real_files_stands_in_the_table(kind: str) -> None:
    """And every key of the table is in one of them, so that both grow together."""
    used = {key for raw in entries(kind).values() for key in raw}
    assert used == {key.name for key in KEYS[kind]}


@pytest.mark.parametrize("kind", KEYS)
def test_every_entry_does_what_its_name_says(kind: str) -> None:
    """The servers of the files are called after their outcome."""
    found, problems = find_servers([ClientFile(kind=kind, path="/f", text=text(kind))], "/h")
    refused = {problem.split()[1].rpartition(".")[2] for problem in problems}
    for item in found:
        moves = item.name.startswith("moves")
        assert (item.obstacle is None) is moves, (item.name, item.obstacle)
    assert all(name.startswith("stays") for name in refused)


@pytest.mark.parametrize("kind", KEYS)
def test_an_unknown_key_keeps_its_entry_where_it_is(kind: str) -> None:
    judgement = judge(kind, {"command": "x", "confineTo": "/srv"})
    assert judgement.reasons == ('its key "confineTo" is not known to callmux',)
    assert judgement.restricts


@pytest.mark.parametrize(
    ("kind", "key", "harmless", "harmful"),
    [
        ("codex", "default_tools_approval_mode", "auto", "prompt"),
        ("codex", "tools", {}, {"show": {"approval_mode": "prompt"}}),
        ("codex", "environment_id", "local", "remote-1"),
        ("vscode", "sandboxEnabled", False, True),
        ("vscode", "sandbox", {}, {"network": {"allowedDomains": []}}),
        ("gemini", "trust", False, True),
        ("windsurf", "alwaysAllow", [], ["x"]),
        ("claude", "toolPermissions", {}, {"x": "ask"}),
        ("claude", "orgMaxPermission", "allow", "ask"),
    ],
)
def test_a_value_that_restricts_nothing_does_not_hold_an_entry_back(
    kind: str, key: str, harmless: Any, harmful: Any
) -> None:
    assert judge(kind, {"command": "x", key: harmless}).reasons == ()
    assert len(judge(kind, {"command": "x", key: harmful}).reasons) == 1


@pytest.mark.parametrize(("kind", "key"), DENYING.items())
def test_a_deny_list_of_another_shape_is_not_read_as_an_empty_one(kind: str, key: str) -> None:
    for value in ("x", {"x": True}, [1], [["x"]]):
        assert judge(kind, {"command": "x", key: value}).reasons
    assert judge(kind, {"command": "x", key: ["x"]}).reasons == ()


def test_what_is_left_out_is_named() -> None:
    assert judge("gemini", {"command": "x", "description": "mine"}).notes == (
        'loses its key "description": nothing acts on it',
    )


def test_the_documentation_shows_the_table() -> None:
    shown = (Path(__file__).parents[2] / "docs" / "moving.md").read_text("utf-8")
    for kind, keys in KEYS.items():
        for key in keys:
            row = f"| `{key.name}` | {key.meaning} | {key.outcome} | {key.becomes} |"
            assert row in shown, f"{kind}: {row}"


def test_the_files_are_those_of_users() -> None:
    """With comments where a client allows them, and in valid JSON where it does not."""
    for kind in ("claude", "cursor", "windsurf", "claude-desktop"):
        json.loads(text(kind))
