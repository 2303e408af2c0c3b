"""Which files are looked into for what agents may not do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.clients.detect import Machine
from callmux.clients.settings_files import read_settings


def machine(tmp_path: Path, platform: str = "linux", **env: str) -> Machine:
    project = tmp_path / "p"
    project.mkdir(exist_ok=True)
    return Machine(home=tmp_path / "al", env=env, platform=platform, cwd=project, system=tmp_path / "system")


@pytest.mark.parametrize(
    ("kind", "role", "path", "text"),
    [
        ("claude", "managed", "system/etc/claude-code/managed-settings.json", "{}"),
        ("claude", "managed", "system/etc/claude-code/managed-settings.d/10-mcp.json", "{}"),
        ("claude", "exclusive", "system/etc/claude-code/managed-mcp.json", "{}"),
        ("claude", "user", "al/.claude/settings.json", "{}"),
        ("claude", "user", "al/.claude/settings.local.json", "{}"),
        ("claude", "project", "p/.claude/settings.json", "{}"),
        ("claude", "project", "p/.claude/settings.local.json", "{}"),
        ("claude", "project", "other/.claude/settings.json", "{}"),
        ("codex", "managed", "system/etc/codex/requirements.toml", "a = 1"),
        ("codex", "override", "system/etc/codex/managed_config.toml", "a = 1"),
        ("codex", "override", "al/.codex/managed_config.toml", "a = 1"),
        ("codex", "project", "p/.codex/config.toml", "a = 1"),
        ("gemini", "managed", "system/etc/gemini-cli/settings.json", "{} // why"),
        ("gemini", "user", "system/etc/gemini-cli/system-defaults.json", "{}"),
        ("gemini", "user", "al/.gemini/settings.json", "{}"),
        ("gemini", "project", "p/.gemini/settings.json", "{}"),
        ("gemini", "switches", "al/.gemini/mcp-server-enablement.json", "{}"),
        ("gemini", "policy", "al/.gemini/policies/mine.toml", "a = 1"),
        ("gemini", "policy", "system/etc/gemini-cli/policies/theirs.toml", "a = 1"),
        ("cursor", "user", "al/.cursor/cli-config.json", "{}"),
        ("cursor", "project", "p/.cursor/cli.json", "{}"),
        ("vscode", "user", "al/.config/Code/User/settings.json", "{}"),
        ("vscode", "project", "p/.vscode/settings.json", "{}"),
        ("vscode", "managed", "system/etc/vscode/policy.json", "{}"),
    ],
)
def test_every_place_is_read(kind: str, role: str, path: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(text)
    state: dict[str, Any] = {"projects": {str(tmp_path / "other"): {}}} if path.startswith("other") else {}
    found = [item for item in read_settings(machine(tmp_path), state) if item.role != "state"]
    assert [(item.kind, item.role, item.path, item.problem) for item in found] == [
        (kind, role, str(file), None)
    ]
    assert found[0].document is not None
    file.write_text("{[")
    assert "state" in {item.role for item in read_settings(machine(tmp_path), {"a": 1})}
    broken = [item for item in read_settings(machine(tmp_path), state) if item.role != "state"]
    assert broken[0].problem is not None


def test_places_follow_the_environment_and_the_system(tmp_path: Path) -> None:
    for path in (
        "c/settings.json",
        "g.json",
        "system/Library/Application Support/ClaudeCode/managed-mcp.json",
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"from": path}))
    env = {
        "CLAUDE_CONFIG_DIR": str(tmp_path / "c"),
        "GEMINI_CLI_SYSTEM_SETTINGS_PATH": str(tmp_path / "g.json"),
    }
    found = {item.path.rpartition("/")[2] for item in read_settings(machine(tmp_path, "darwin", **env), {})}
    assert found == {"settings.json", "g.json", "managed-mcp.json"}


def test_nothing_there_is_nothing_found(tmp_path: Path) -> None:
    assert read_settings(machine(tmp_path), {}) == []


def test_projects_and_profiles_of_codex_count_and_its_own_file_does_not(tmp_path: Path) -> None:
    own, other = tmp_path / "al" / ".codex", tmp_path / "other" / ".codex"
    for folder in (own, other):
        folder.mkdir(parents=True)
    known = f'[projects."{tmp_path / "other"}"]\n[projects."{tmp_path / "al"}"]\n'
    (own / "config.toml").write_text(known)
    (own / "work.config.toml").write_text("a = 1")
    (other / "config.toml").write_text("b = 1")
    found = {item.path: item.project for item in read_settings(machine(tmp_path), {})}
    assert found == {
        str(own / "work.config.toml"): str(own),
        str(other / "config.toml"): str(tmp_path / "other"),
    }
    (own / "config.toml").write_text("[")
    assert str(own / "work.config.toml") in {item.path for item in read_settings(machine(tmp_path), {})}
