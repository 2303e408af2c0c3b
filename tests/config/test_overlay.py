"""Servers that lie over those of the configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.config.load import load_config
from callmux.config.overlay import Overlay, read_overlay
from callmux.config.sources import Sources
from callmux.errors import ConfigError


def test_it_replaces_adds_and_removes_whole_servers() -> None:
    overlay = Overlay().with_entry("a", {"command": "x"}, "t1").with_entry("b", None, "t2")
    document = {"servers": {"a": {"command": "a", "env": {}}, "b": {"command": "b"}, "c": {"command": "c"}}}
    assert overlay.over(document) == {"servers": {"a": {"command": "x"}, "c": {"command": "c"}}}
    assert overlay.over({"mcpServers": {"b": {}}, "metaOnly": True}) == {
        "mcpServers": {"a": {"command": "x"}},
        "metaOnly": True,
    }
    assert overlay.over({}) == {"servers": {"a": {"command": "x"}}}
    assert Overlay().over(document) == document
    assert document["servers"]["b"] == {"command": "b"}


def test_what_is_written_is_read_again() -> None:
    overlay = Overlay().with_entry("a", {"command": "x"}, "t1").with_entry("b", None, "t2")
    text = overlay.dump()
    assert json.loads(text) == {
        "version": 1,
        "servers": {"a": {"config": {"command": "x"}}, "b": {"deleted": True}},
        "updatedAt": "t2",
    }
    assert read_overlay(json.loads(text), "f") == overlay
    assert read_overlay({"version": 1}, "f") == Overlay()
    assert read_overlay(json.loads(Overlay().dump()), "f") == Overlay()


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "must be an object with version 1"),
        ({"version": 2}, "must be an object with version 1"),
        ({"version": 1, "servers": []}, "servers must be an object"),
        ({"version": 1, "servers": {"a": 1}}, "servers.a must be an object"),
        ({"version": 1, "servers": {"a": {"deleted": 1}}}, "servers.a.deleted must be true or false"),
        ({"version": 1, "servers": {"a": {}}}, 'servers.a must have "config"'),
        ({"version": 1, "servers": {"a": {"config": {}}}}, "servers.a.config must have either"),
    ],
)
def test_what_is_no_overlay_is_refused_by_name(document: Any, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_overlay(document, "state.json")
    assert "state.json" in refused.value.message
    assert says in refused.value.message


def test_the_saved_one_counts_where_the_file_has_the_interface(tmp_path: Path) -> None:
    """For those who ask for it alone: commands that edit the file see the file."""
    path = tmp_path / "c.json"
    path.write_text('{"servers": {"a": {"command": "a"}}, "management": {"enabled": true}}')
    state = tmp_path / "c.json.management.json"
    state.write_bytes(Overlay().with_entry("b", {"command": "b"}, "t").dump())
    sources = Sources()
    loaded = load_config(path, {}, overlay=None, sources=sources)
    assert list(loaded.config.servers) == ["a", "b"]
    assert list(sources.document["servers"]) == ["a", "b"]
    assert list(loaded.document["servers"]) == ["a"]
    assert list(load_config(path, {}).config.servers) == ["a"]
    path.write_text('{"servers": {"a": {"command": "a"}}, "management": {"enabled": false}}')
    assert list(load_config(path, {}, overlay=None).config.servers) == ["a"]
    path.write_text('{"servers": {"a": {"command": "a"}}, "management": {"enabled": true}}')
    state.write_text('{"version": 7}')
    with pytest.raises(ConfigError, match="version 1"):
        load_config(path, {}, overlay=None)
    state.unlink()
    assert list(load_config(path, {}, overlay=None).config.servers) == ["a"]
