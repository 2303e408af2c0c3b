"""Where clients keep their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.clients.detect import (
    KINDS,
    MAX_BYTES,
    Machine,
    client_file,
    installed,
    project_files,
    read_text,
)
from callmux.clients.entry import ClientFileError


def machine(platform: str = "linux", cwd: str = "/p", **env: str) -> Machine:
    return Machine(home=Path("/h"), env=env, platform=platform, cwd=Path(cwd))


@pytest.mark.parametrize(
    ("platform", "kind", "path"),
    [
        ("linux", "claude", "/h/.claude.json"),
        ("linux", "codex", "/h/.codex/config.toml"),
        ("linux", "claude-desktop", "/h/.config/Claude/claude_desktop_config.json"),
        ("darwin", "claude-desktop", "/h/Library/Application Support/Claude/claude_desktop_config.json"),
        ("linux", "cursor", "/h/.cursor/mcp.json"),
        ("linux", "vscode", "/h/.config/Code/User/mcp.json"),
        ("darwin", "vscode", "/h/Library/Application Support/Code/User/mcp.json"),
        ("linux", "windsurf", "/h/.codeium/windsurf/mcp_config.json"),
        ("linux", "gemini", "/h/.gemini/settings.json"),
    ],
)
def test_every_client_has_its_file(platform: str, kind: str, path: str) -> None:
    assert client_file(kind, machine(platform)) == Path(path)


def test_a_generic_client_has_none() -> None:
    assert client_file("generic", machine()) is None
    assert KINDS[:2] == ("claude", "codex")
    assert KINDS[-1] == "generic"
    assert not installed("generic", machine())


def test_the_clients_own_variables_move_their_files() -> None:
    """The original knows neither. Weak spot C8 of callmux (npm)."""
    moved = machine(CLAUDE_CONFIG_DIR="/c", CODEX_HOME="/x")
    assert client_file("claude", moved) == Path("/c/.claude.json")
    assert client_file("codex", moved) == Path("/x/config.toml")
    windows = machine("win32", APPDATA="/roaming")
    assert client_file("claude-desktop", windows) == Path("/roaming/Claude/claude_desktop_config.json")


def test_a_project_has_files_of_its_own_and_the_home_directory_only_that_of_claude_code() -> None:
    assert ("claude", Path("/p/.mcp.json")) in project_files(machine())
    assert list(project_files(machine(cwd="/h"))) == [("claude", Path("/h/.mcp.json"))]


def test_a_client_is_known_by_its_directory(tmp_path: Path) -> None:
    here = Machine(home=tmp_path, env={}, platform="linux", cwd=tmp_path)
    assert not any(installed(kind, here) for kind in KINDS)
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".claude").mkdir()
    assert [kind for kind in KINDS if installed(kind, here)] == ["claude", "cursor"]


def test_a_file_is_read_byte_for_byte_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert read_text(path) is None
    path.write_bytes("a\r\nü".encode())
    assert read_text(path) == "a\r\nü"
    path.write_bytes(b"\xff")
    with pytest.raises(ClientFileError, match="UTF-8"):
        read_text(path)
    with pytest.raises(ClientFileError, match="not a file"):
        read_text(tmp_path)
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ClientFileError, match="larger"):
        read_text(path)
