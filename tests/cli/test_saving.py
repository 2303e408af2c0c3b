"""Writing configuration files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from callmux.cli.saving import SaveFailed, save_json


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private_and_so_is_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    save_json(path, {"x": 1})
    assert path.read_text() == '{\n  "x": 1\n}\n'
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["c.json"]


def test_the_old_file_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("broken {")
    path.chmod(0o644)
    save_json(path, {})
    backup = tmp_path / "c.json.bak"
    assert (backup.read_text(), mode(backup), mode(path)) == ("broken {", 0o600, 0o600)
    save_json(path, {"x": 1}, backup=False)
    assert backup.read_text() == "broken {"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    """Many keep their configuration in a repository of dotfiles."""
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "c.json", tmp_path / "c.json"
    real.write_text("{}")
    link.symlink_to(real)
    save_json(link, {"x": 1})
    assert link.is_symlink()
    assert json.loads(real.read_text()) == {"x": 1}
    assert (tmp_path / "c.json.bak").read_text() == "{}"


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.mkdir()
    with pytest.raises(SaveFailed, match="cannot write"):
        save_json(path, {}, backup=False)
    assert os.listdir(tmp_path) == ["c.json"]
