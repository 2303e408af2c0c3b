"""callmux init"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.cli import init
from callmux.config.load import load_config
from callmux.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_empty_configuration_is_written_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / ".config" / "callmux" / "config.json"
    assert init.run([], None) == 0
    assert list(json.loads(path.read_text())) == ["$schema", "servers", "cacheTtlSeconds", "maxConcurrency"]
    schema = json.loads((path.parent / json.loads(path.read_text())["$schema"]).read_text())
    assert "mcpServers" in schema["properties"]
    loaded = load_config(path, {})
    assert (loaded.config.servers, loaded.warnings) == ({}, [])
    assert capsys.readouterr().out == f"Created {path}\n"
    with pytest.raises(UsageError, match="already exists"):
        init.run([], None)


def test_force_replaces_even_a_broken_file(home: Path) -> None:
    """The original reads the old file first and fails on it."""
    path = home / "c.json"
    path.write_text("{broken")
    assert init.run(["--force"], "c.json") == 0
    assert json.loads(path.read_text())["servers"] == {}
    assert (home / "c.json.bak").read_text() == "{broken"


def test_the_variable_names_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLMUX_CONFIG", "sub/dir/c.json")
    assert init.run([], None) == 0
    assert (home / "sub" / "dir" / "c.json").exists()
    assert not (home / ".config").exists()


def test_unknown_options_are_refused() -> None:
    with pytest.raises(UsageError, match=r'did you mean "--force"'):
        init.run(["--froce"], None)
