"""A configuration is a file, or what a file would hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.errors import ConfigError
from callmux.library.loading import Loader

MANAGED = {"servers": {"a": {"command": "${WHAT}"}}, "management": {"enabled": True}}
MORE = Overlay().with_entry("b", {"command": "b"}, "t")


def test_an_object_is_read_like_a_file(tmp_path: Path) -> None:
    loader = Loader(MANAGED, {"WHAT": "srv"}, tmp_path, lambda: MORE)
    config = loader(sources := Sources())
    assert (loader.path, loader.base_dir) == (None, tmp_path)
    assert config.servers["a"].command == "srv"  # type: ignore[union-attr]
    assert list(config.servers) == ["a", "b"]
    assert config.management.state_path is None
    assert list(sources.document["servers"]) == ["a", "b"]
    assert list(loader(Sources(), Overlay()).servers) == ["a"]
    with pytest.raises(ConfigError, match="maxConcurrency"):
        Loader({"servers": {}, "maxConcurrency": "x"}, {}, tmp_path)(Sources())


def test_an_object_that_names_a_file_for_changes_has_them_there(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(MORE.dump())
    given = {**MANAGED, "management": {"enabled": True, "statePath": "s.json"}}
    config = Loader(given, {"WHAT": "srv"}, tmp_path)(Sources())
    assert config.management.state_path == str(tmp_path / "s.json")
    assert list(config.servers) == ["a", "b"]


def test_a_file_starts_in_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"servers": {"a": {"command": "x"}}}))
    loader = Loader(str(path), {}, None)
    assert (loader.path, loader.base_dir) == (path, tmp_path)
    assert list(loader(Sources()).servers) == ["a"]
