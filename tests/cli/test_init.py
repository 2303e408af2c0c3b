"""callmux init"""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from callmux.cli import init
from callmux.cli.grammar.init import PROFILES
from callmux.config.load import load_config
from callmux.doctor.checks import config_findings, exposed
from callmux.errors import CallmuxError, UsageError
from callmux.guard.hashes import ScryptHash


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
    created, offer = capsys.readouterr().out.splitlines()
    assert created == f"Created {path}"
    assert "callmux init --preset lean" in offer
    with pytest.raises(UsageError, match="already exists"):
        init.run([], None)


def test_a_configuration_may_begin_with_a_preset(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(["--preset", "lean"], "c.json") == 0
    document = json.loads((home / "c.json").read_text())
    assert document == {"$schema": "./c.schema.json", "preset": "lean", "servers": {}}
    loaded = load_config(home / "c.json", {})
    assert (loaded.warnings, loaded.config.meta_only, loaded.config.cache_ttl_seconds) == ([], True, 60)
    created, sets = capsys.readouterr().out.splitlines()
    assert created == "Created c.json"
    assert sets.startswith('Preset "lean" sets: metaOnly true')


def test_a_preset_and_a_profile_go_together(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.run(["--preset", "lean", "--profile", "staging"], "c.json") == 0
    document = json.loads((home / "c.json").read_text())
    assert document["preset"] == "lean"
    assert "cacheTtlSeconds" not in document
    assert "auth" in document
    assert 'Preset "lean" sets' in capsys.readouterr().out


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


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_is_a_configuration_without_anything_to_find_fault_with(
    profile: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init.run(["--profile", profile], "c.json") == 0
    loaded = load_config(home / "c.json", {})
    assert loaded.warnings == []
    assert config_findings(loaded.config) == exposed(loaded) == []
    assert f"c.json (profile {profile})" in capsys.readouterr().out


def test_the_token_of_a_profile_is_shown_once_and_only_its_hash_is_kept(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init.run(["--profile", "staging"], "c.json")
    shown = re.search(r"Token of ops, shown this once: (\S+)", capsys.readouterr().out)
    assert shown is not None
    hashed = home / "secrets" / "ops.hash"
    assert stat.S_IMODE(hashed.stat().st_mode) == 0o600
    assert stat.S_IMODE(hashed.parent.stat().st_mode) == 0o700
    assert ScryptHash.of(hashed.read_text().strip()).fits(shown[1].encode())
    assert not any(shown[1] in path.read_text() for path in home.rglob("*") if path.is_file())
    before = hashed.read_text()
    init.run(["--profile", "prod", "--force"], "c.json")
    assert "The token is the one whose hash is in" in capsys.readouterr().out
    assert hashed.read_text() == before


def test_a_profile_that_cannot_be_written_leaves_no_hash(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, text: str, **more: object) -> None:
        if path.name == "c.json":
            raise CallmuxError("no room")
        path.write_text(text)

    monkeypatch.setattr(init, "save_text", fail)
    with pytest.raises(CallmuxError, match="no room"):
        init.run(["--profile", "prod"], "c.json")
    assert not (home / "secrets" / "ops.hash").exists()


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(UsageError, match="staging"):
        init.run(["--profile", "production"], None)
