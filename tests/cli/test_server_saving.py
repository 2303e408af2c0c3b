"""`callmux.cli.server_saving`: one changed entry in the configuration file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.server_saving import checked_entry, loadable, save_entry, there, written_entry
from callmux.errors import ConfigError, UsageError


def test_an_empty_file_becomes_a_configuration_with_its_schema_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    save_entry(path, "a", lambda old: {"command": "x"}, create=True)
    document = json.loads(path.read_text())
    assert document["servers"] == {"a": {"command": "x"}}
    schema = json.loads((tmp_path / document["$schema"]).read_text())
    assert "servers" in schema["properties"]


def test_an_entry_is_given_as_the_file_has_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert written_entry(path, "a") is None
    path.write_text('{"servers": {"a": {"command": "x", "own": 1}}}')
    assert written_entry(path, "a") == {"command": "x", "own": 1}
    assert written_entry(path, "b") is None


def test_a_missing_entry_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"servers": {"github": {"command": "x"}}}')

    def make(old: Mapping[str, Any] | None) -> Mapping[str, Any]:
        return there("gihub", old)

    with pytest.raises(UsageError, match=r'did you mean "github"'):
        save_entry(path, "gihub", make)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"servers": {"a": {"comand": "x"}}}', 'did you mean "command"'),
        ('{"servers": {"a": {"command": "x"}, "a": {"command": "y"}}}', "servers.a stands twice"),
        ('{"servers": {"a": {"command": "x"}}, // no\n "servers": {}}', "servers stands twice"),
    ],
)
def test_a_file_that_would_not_load_rightly_is_not_written(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        save_entry(path, "b", lambda old: {"command": "z"})
    assert why in raised.value.message
    assert "nothing was written" in raised.value.message
    assert path.read_text() == text


def test_yaml_is_checked_too(tmp_path: Path) -> None:
    text = "servers:\n  a:\n    command: x\n"
    assert loadable(tmp_path / "c.yaml", text) == text


def test_an_entry_with_a_slip_names_the_key_that_was_meant() -> None:
    with pytest.raises(ConfigError) as caught:
        checked_entry("k", {"comand": "x"})
    assert 'servers.k.comand is not known and ignored: did you mean "command"?' in str(caught.value.problems)
