"""What a configuration was read from is known as it was before it was read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from callmux.config.load import load_config
from callmux.config.sources import Sources, signature
from callmux.errors import ConfigError


def test_a_file_is_known_by_its_identity_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    before = signature(path)
    assert before == signature(path)
    os.utime(path, ns=(1, 1))
    assert signature(path) != before
    assert signature(tmp_path / "missing") is None
    assert signature(Path("a\0b")) is None


def test_what_was_noted_first_stands(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    sources = Sources()
    sources.note(path)
    assert sources.now() == sources.noted
    path.write_text("longer")
    sources.note(path)
    assert sources.now() != sources.noted
    assert repr(sources) == f"Sources(['{path}'])"


def test_a_configuration_names_its_own_file_and_those_of_its_references(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    (tmp_path / "token").write_text("secret of the listener")
    document = {
        "servers": {
            "a": {"command": "x", "envRefs": {"A": "file:sub/a", "B": "env:B"}},
            "b": {"url": "http://x"},
        },
        "auth": {"mode": "bearer", "tokens": [{"id": "t", "tokenRef": "file:token"}]},
    }
    path.write_text(json.dumps(document))
    sources = Sources()
    load_config(path, {}, sources=sources)
    assert list(sources.noted) == [path, tmp_path / "sub/a", tmp_path / "token"]


def test_files_are_known_where_the_reading_fails(tmp_path: Path) -> None:
    """So that whoever mends them need not touch the configuration."""
    path = tmp_path / "c.json"
    auth = {"mode": "bearer", "tokens": [{"id": "t", "tokenRef": "file:token"}]}
    path.write_text(json.dumps({"servers": {}, "auth": auth}))
    sources = Sources()
    with pytest.raises(ConfigError, match="token"):
        load_config(path, {}, sources=sources)
    assert sources.noted[tmp_path / "token"] is None
    assert sources.noted[path] is not None
