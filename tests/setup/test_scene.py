"""What setup starts from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from callmux.clients.detect import Machine
from callmux.errors import UsageError
from callmux.setup.plan import SetupError
from callmux.setup.scene import Scene, check_config, chosen_clients, look, occupied_secrets


def scene(tmp_path: Path, with_project: bool = True, approved: Sequence[str] = (), **env: str) -> Scene:
    project = tmp_path / "p"
    project.mkdir(exist_ok=True)
    machine = Machine(home=tmp_path, env=env, platform="linux", cwd=project, system=tmp_path / "system")
    return look(machine, None, with_project=with_project, approved=approved)


def servers(*names: str) -> str:
    return json.dumps({"mcpServers": {name: {"command": name} for name in names}})


def test_files_of_the_user_and_of_the_project_are_read(tmp_path: Path) -> None:
    (tmp_path / ".claude.json").write_text(servers("a", "callmux"))
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / ".mcp.json").write_text(servers("b"))
    (tmp_path / ".gemini").mkdir()
    (tmp_path / ".gemini" / "settings.json").write_bytes(b"\xff")
    here = scene(tmp_path)
    assert [item.name for item in here.movable(["claude"])] == ["a"]
    assert [item.name for item in here.pending(["claude"])] == ["b"]
    approved = scene(tmp_path, approved=[str(tmp_path / "p" / ".mcp.json")])
    assert [item.name for item in approved.movable(["claude"])] == ["a", "b"]
    assert approved.movable(["claude"])[1].project == str(tmp_path / "p")
    assert approved.pending(["claude"]) == []
    with pytest.raises(UsageError, match="not a file of this project"):
        scene(tmp_path, approved=[str(tmp_path / ".claude.json")])
    assert "UTF-8" in here.problems[0]
    assert [item.name for item in scene(tmp_path, with_project=False).movable(["claude"])] == ["a"]
    assert chosen_clients(None, here) == ["claude"]


def test_a_client_whose_file_cannot_be_read_gets_nothing_written(tmp_path: Path) -> None:
    """A directory in its place stands for a file of somebody else."""
    (tmp_path / ".cursor" / "mcp.json").mkdir(parents=True)
    (tmp_path / ".claude.json").write_text(servers("a"))
    here = scene(tmp_path)
    assert here.unreadable == {"cursor": f"{tmp_path}/.cursor/mcp.json is not a file"}
    assert chosen_clients("all", here) == ["claude"]
    with pytest.raises(SetupError, match=r"mcp\.json is not a file"):
        chosen_clients("cursor", here)


def test_clients_are_chosen_by_name(tmp_path: Path) -> None:
    here = scene(tmp_path)
    assert chosen_clients("none", here) == []
    assert chosen_clients("all", here) == []
    assert chosen_clients("codex, cursor", here) == ["codex", "cursor"]
    with pytest.raises(UsageError, match="emacs"):
        chosen_clients("emacs", here)


def test_the_variable_names_the_configuration_here_too(tmp_path: Path) -> None:
    """The original's setup ignores it, and edits another file than the one that runs.

    Weak spot C15 of callmux (npm).
    """
    path = tmp_path / "mine.json"
    path.write_text('{"servers": {"x": {"command": "x"}}}')
    here = scene(tmp_path, CALLMUX_CONFIG=str(path))
    assert here.config_path == path
    assert list(here.config_servers) == ["x"]


@pytest.mark.parametrize("text", ["{", '{"servers": {"x": {}}}', "[]", '{"servers": 5}'])
def test_a_broken_configuration_is_refused_or_replaced(text: str, tmp_path: Path) -> None:
    path = tmp_path / ".config" / "callmux" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    here = scene(tmp_path)
    with pytest.raises(SetupError, match="--fresh"):
        check_config(here, fresh=False)
    check_config(here, fresh=True)


def test_secrets_that_are_there_are_known(tmp_path: Path) -> None:
    assert occupied_secrets(tmp_path / "none") == {}
    (tmp_path / "a").write_text("v\n")
    (tmp_path / "b").write_bytes(b"\xff")
    assert occupied_secrets(tmp_path) == {str(tmp_path / "a"): "v", str(tmp_path / "b"): ""}


def test_the_home_directory_by_another_name_has_the_users_own_files(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / ".cursor").mkdir(parents=True)
    (real / ".cursor" / "mcp.json").write_text(servers("a"))
    (tmp_path / "link").symlink_to(real)
    machine = Machine(home=tmp_path / "link", env={}, platform="linux", cwd=real, system=tmp_path / "s")
    here = look(machine, None, with_project=True)
    assert [(item.name, item.project) for item in here.found] == [("a", None)]
