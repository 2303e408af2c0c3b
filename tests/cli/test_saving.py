"""Writing configuration files."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from callmux.cli.saving import BACKUPS, SaveFailed, edit_text, save_text


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private_and_so_is_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    save_text(path, "one\n")
    assert path.read_text() == "one\n"
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert os.listdir(path.parent) == ["c.json"]


def test_the_old_file_is_kept_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("broken {")
    path.chmod(0o644)
    save_text(path, "{}")
    backup = tmp_path / "c.json.bak"
    assert (backup.read_text(), mode(backup), mode(path)) == ("broken {", 0o600, 0o600)
    save_text(path, '{"x": 1}', backup=False)
    assert backup.read_text() == "broken {"


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    """Many keep their configuration in a repository of dotfiles."""
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "c.json", tmp_path / "c.json"
    real.write_text("{}")
    link.symlink_to(real)
    save_text(link, '{"x": 1}')
    assert link.is_symlink()
    assert json.loads(real.read_text()) == {"x": 1}
    assert (tmp_path / "c.json.bak").read_text() == "{}"


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.mkdir()
    with pytest.raises(SaveFailed, match="cannot write"):
        save_text(path, "{}", backup=False)
    assert os.listdir(tmp_path) == ["c.json"]


def test_an_edit_keeps_mode_and_backup(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"one\r\ntwo")
    path.chmod(0o640)
    assert edit_text(path, lambda text: text.replace("two", "three"))
    assert (path.read_bytes(), mode(path)) == (b"one\r\nthree", 0o640)
    backup = tmp_path / "c.json.bak"
    assert (backup.read_bytes(), mode(backup)) == (b"one\r\ntwo", 0o600)
    assert sorted(os.listdir(tmp_path)) == ["c.json", "c.json.bak"]


def test_an_edit_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("x")
    before = path.stat()
    assert not edit_text(path, lambda text: text)
    assert os.listdir(tmp_path) == ["c.json"]
    assert path.stat() == before


def test_an_edit_makes_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "c.json"
    assert edit_text(path, lambda text: text + "x")
    assert (path.read_text(), mode(path), mode(path.parent)) == ("x", 0o600, 0o700)
    assert os.listdir(path.parent) == ["c.json"]


def test_an_edit_follows_a_symbolic_link(tmp_path: Path) -> None:
    """C2: the original puts a file in the place of the link."""
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "c.json", tmp_path / "c.json"
    real.write_text("x")
    link.symlink_to(real)
    edit_text(link, lambda text: text + "y")
    assert link.is_symlink()
    assert (real.read_text(), (tmp_path / "c.json.bak").read_text()) == ("xy", "x")


def test_a_change_that_another_program_makes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("x")

    def edit(text: str) -> str:
        path.write_text("theirs")
        return text + "y"

    with pytest.raises(SaveFailed, match="changed by another program"):
        edit_text(path, edit)
    assert path.read_text() == "theirs"


def test_two_edits_at_a_time_both_count(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("")
    threads = [
        threading.Thread(target=edit_text, args=(path, lambda text, n=n: f"{text}{n}\n")) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(path.read_text().split()) == list("01234567")


def test_an_edit_that_fails_leaves_everything(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"\xff")
    with pytest.raises(SaveFailed, match="not UTF-8"):
        edit_text(path, lambda text: text)
    with pytest.raises(SaveFailed, match="cannot write"):
        edit_text(tmp_path, lambda text: text)
    assert os.listdir(tmp_path) == ["c.json"]


def test_older_versions_keep_their_numbers_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    for number in range(BACKUPS + 3):
        edit_text(path, lambda _, n=number: str(n))  # type: ignore[misc]
    newest = BACKUPS + 2
    assert path.read_text() == str(newest)
    assert (tmp_path / "c.json.bak").read_text() == str(newest - 1)
    kept = [(tmp_path / f"c.json.bak.{number}").read_text() for number in range(1, BACKUPS)]
    assert kept == [str(newest - 1 - number) for number in range(1, BACKUPS)]
    assert len(os.listdir(tmp_path)) == BACKUPS + 1


def test_a_version_that_is_kept_already_is_not_kept_twice(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    for text in ("one", "two", "one", "two"):
        save_text(path, text)
    # Back and forth: "one" is the newest backup when "one" would become it again.
    names = sorted(os.listdir(tmp_path))
    assert names == ["c.json", "c.json.bak", "c.json.bak.1", "c.json.bak.2"]
    save_text(path, "two")
    save_text(path, "two")
    assert (tmp_path / "c.json.bak").read_text() == "two"
    assert len(os.listdir(tmp_path)) == 5
