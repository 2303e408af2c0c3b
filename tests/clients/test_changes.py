"""Files are written all or not at all, and can be taken back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from callmux.clients.changes import KEPT, Change, ChangeFailed, apply, backups, last, undo


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def change(path: Path, after: bytes | None, *paths: tuple[str, ...]) -> Change:
    return Change(path=path, before=path.read_bytes() if path.exists() else None, after=after, paths=paths)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return backups(tmp_path)


def tree(directory: Path) -> dict[str, bytes | None]:
    """Everything in a directory but the backups."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
        if ".config" not in path.parts
    }


def test_files_are_written_kept_and_taken_back_byte_for_byte(tmp_path: Path, store: Path) -> None:
    (tmp_path / "a").write_bytes(b"old\r\n")
    (tmp_path / "gone").write_bytes(b"x")
    before = tree(tmp_path)
    folder = apply(
        [
            change(tmp_path / "a", b"new"),
            change(tmp_path / "d" / "e" / "b", b"made"),
            change(tmp_path / "gone", None),
        ],
        store,
        "setup",
        "1",
    )
    assert folder == last(store, "setup")
    assert tree(tmp_path) == {"a": b"new", "d": None, "d/e": None, "d/e/b": b"made"}
    assert (mode(tmp_path / "d" / "e" / "b"), mode(store), mode(store.parent)) == (0o600, 0o700, 0o700)
    assert folder is not None
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    done = undo(folder)
    assert tree(tmp_path) == before
    assert (done.restored, done.removed) == (
        (tmp_path / "a", tmp_path / "gone"),
        (tmp_path / "d" / "e" / "b",),
    )
    assert last(store, "setup") is None


def test_modes_are_kept_and_links_followed(tmp_path: Path, store: Path) -> None:
    """c8: many keep their files in a repository; the original replaces the link."""
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "f", tmp_path / "f"
    real.write_bytes(b"old")
    real.chmod(0o644)
    link.symlink_to(real)
    folder = apply([change(link, b"new")], store, "client", "1")
    assert link.is_symlink()
    assert (real.read_bytes(), mode(real)) == (b"new", 0o644)
    assert folder is not None
    undo(folder)
    assert link.is_symlink()
    assert (real.read_bytes(), mode(real)) == (b"old", 0o644)


def test_nothing_to_change_writes_nothing(tmp_path: Path, store: Path) -> None:
    """c8: the original rewrites the file all the same."""
    (tmp_path / "a").write_bytes(b"x")
    stamp = (tmp_path / "a").stat().st_mtime_ns
    assert apply([change(tmp_path / "a", b"x")], store, "client", "1") is None
    assert (tmp_path / "a").stat().st_mtime_ns == stamp
    assert not store.exists()


def test_a_file_changed_since_it_was_read_stops_everything(tmp_path: Path, store: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    both = [change(tmp_path / "a", b"2"), change(tmp_path / "b", b"2")]
    (tmp_path / "b").write_bytes(b"theirs")
    with pytest.raises(ChangeFailed, match="changed while this ran"):
        apply(both, store, "setup", "1")
    assert tree(tmp_path) == {"a": b"1", "b": b"theirs"}


def test_a_file_that_cannot_be_written_stops_everything(tmp_path: Path, store: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "file").write_bytes(b"")
    both = [change(tmp_path / "a", b"2"), Change(path=tmp_path / "file" / "x", before=None, after=b"2")]
    with pytest.raises(ChangeFailed):
        apply(both, store, "setup", "1")
    assert tree(tmp_path) == {"a": b"1", "file": b""}


@pytest.mark.parametrize("error", [OSError(5, "broken", "/f"), KeyboardInterrupt()])
def test_a_failure_between_two_files_takes_the_first_back(
    error: BaseException, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C counts, too."""
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    before, real = tree(tmp_path), os.replace
    state = {"failed": False}

    def replace(source: Path, target: Path) -> None:
        if target == tmp_path / "b" and not state["failed"]:
            state["failed"] = True
            raise error
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises((ChangeFailed, KeyboardInterrupt)):
        apply(
            [
                change(tmp_path / "a", b"2"),
                change(tmp_path / "n" / "new", b"2"),
                change(tmp_path / "b", b"2"),
            ],
            store,
            "setup",
            "1",
        )
    assert state["failed"]
    assert tree(tmp_path) == before
    assert last(store, "setup") is None


def test_a_file_that_others_changed_since_loses_only_our_keys(tmp_path: Path, store: Path) -> None:
    """Claude Code writes its file all the time: what it wrote since must not be lost."""
    path, other = tmp_path / "c.json", tmp_path / "plain"
    path.write_text('{"starts": 1, "mcpServers": {"git": {"command": "g"}}}')
    after = b'{"starts": 1, "mcpServers": {"callmux": {}}}'
    keys = [("mcpServers", "git"), ("mcpServers", "callmux")]
    folder = apply([change(path, after, *keys), change(other, b"ours")], store, "setup", "1")
    path.write_text(path.read_text().replace("1", "2"))
    other.write_bytes(b"theirs")
    assert folder is not None
    done = undo(folder)
    assert json.loads(path.read_text()) == {"starts": 2, "mcpServers": {"git": {"command": "g"}}}
    assert other.read_bytes() == b"theirs"
    assert done.edited == (path,)
    assert done.left == ((other, "it was changed since"),)


def test_what_is_undone_by_hand_already_counts_as_undone(tmp_path: Path, store: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    folder = apply([change(tmp_path / "a", b"2")], store, "setup", "1")
    (tmp_path / "a").write_bytes(b"1")
    assert folder is not None
    assert undo(folder).restored == (tmp_path / "a",)


def test_a_broken_backup_says_so(store: Path) -> None:
    folder = store / "1-setup"
    folder.mkdir(parents=True)
    (folder / "list.json").write_text("{")
    with pytest.raises(ChangeFailed, match="cannot take back"):
        undo(folder)


def test_backups_of_single_edits_are_few_and_those_of_setup_stay(tmp_path: Path, store: Path) -> None:
    apply([change(tmp_path / "a", b"0")], store, "setup", "0000")
    for number in range(1, KEPT + 5):
        apply([change(tmp_path / "a", b"%d" % number)], store, "client", f"{number:04}")
    names = sorted(folder.name for folder in store.iterdir())
    assert names[0] == "0000-setup"
    assert len(names) == KEPT + 1
    assert last(store, "client") == store / f"{KEPT + 4:04}-client"


def test_a_mode_can_be_all_that_changes(tmp_path: Path, store: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    path.chmod(0o644)
    folder = apply([Change(path=path, before=b"1", after=b"1", mode=0o600)], store, "migrate", "1")
    assert (path.read_bytes(), mode(path)) == (b"1", 0o600)
    assert folder is not None
    undo(folder)
    assert mode(path) == 0o644


def test_what_a_killed_run_left_beside_a_file_goes(tmp_path: Path, store: Path) -> None:
    """It may hold credentials."""
    path = tmp_path / "c.json"
    path.write_bytes(b"1")
    left, other = tmp_path / ".c.json.0123456789ab.tmp", tmp_path / ".c.json.mine.tmp"
    for file in (left, other):
        file.write_bytes(b"secret")
    folder = apply([change(path, b"2")], store, "setup", "1")
    assert (left.exists(), other.exists()) == (False, True)
    left.write_bytes(b"secret")
    assert folder is not None
    undo(folder)
    assert tree(tmp_path) == {"c.json": b"1", ".c.json.mine.tmp": b"secret"}


def test_a_server_that_was_entered_anew_since_stays_as_it_is(tmp_path: Path, store: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"mcpServers": {"git": {"command": "old"}, "x": {"command": "x"}}}')
    after = b'{"mcpServers": {"callmux": {}}}'
    keys = [("mcpServers", name) for name in ("git", "x", "callmux")]
    folder = apply([change(path, after, *keys)], store, "setup", "1")
    path.write_text('{"mcpServers": {"callmux": {}, "git": {"command": "new"}}}')
    assert folder is not None
    done = undo(folder)
    assert json.loads(path.read_text()) == {"mcpServers": {"git": {"command": "new"}, "x": {"command": "x"}}}
    assert done.left == ((path, '"git" was entered anew since, and stays so'),)
