"""A log file is rotated, by us or by others, is nobody else's to read, and fails nothing when it cannot be
written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from callmux.observe.log_file import LogFile


def made(path: Path, most: int = 0, kept: int = 2) -> tuple[LogFile, list[str]]:
    said: list[str] = []
    return LogFile(path, most, kept, said.append), said


def test_lines_are_appended_to_what_is_there_and_only_the_user_may_read_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.jsonl"
    file, said = made(path)
    file.append(b"a\n")
    file.append(b"b\n")
    file.close()
    again, _ = made(path)
    again.append(b"c\n")
    assert path.read_bytes() == b"a\nb\nc\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert said == []
    assert repr(file) == f"LogFile('{path}')"
    again.close()


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_full_file_makes_room_and_so_many_earlier_ones_are_kept(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "log"
    file, _ = made(path, most=4, kept=kept)
    for line in (b"1\n", b"2\n", b"3\n", b"4\n", b"5\n", b"6\n", b"7\n", b"too large\n", b"9\n"):
        file.append(line)
    found = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    expected = {"log": b"9\n", "log.1": b"too large\n", "log.2": b"7\n", "log.3": b"5\n6\n"}
    assert found == dict(list(expected.items())[: kept + 1])
    file.close()


def test_a_file_that_somebody_else_moved_or_removed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file, said = made(path)
    file.append(b"a\n")
    path.rename(tmp_path / "log.old")
    file.append(b"b\n")
    assert path.read_bytes() == b"b\n"
    path.unlink()
    file.append(b"c\n")
    assert path.read_bytes() == b"c\n"
    # The way of `copytruncate`.
    os.truncate(path, 0)
    file.append(b"d\n")
    assert path.read_bytes() == b"d\n"
    assert said == []
    file.close()


def test_two_processes_that_write_to_one_file_rotate_it_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    one, _ = made(path, most=4)
    two, _ = made(path, most=4)
    one.append(b"1\n")
    two.append(b"2\n")
    one.append(b"3\n")
    two.append(b"4\n")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"log": b"3\n4\n", "log.1": b"1\n2\n"}
    one.close()
    two.close()


def test_what_cannot_be_written_is_said_once_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    file, said = made(path)
    file.append(b"a\n")
    write, full = os.write, [True]

    def full_disk(descriptor: int, data: Any) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full_disk)
    file.append(b"b\n")
    file.append(b"c\nd\n")
    assert said == [f"{path} cannot be written, and loses lines until it can: No space left on device"]
    assert (file.problem, file.lost) == ("No space left on device", 3)
    full[0] = False
    file.append(b"e\n")
    assert said[1:] == [f"{path} can be written again; lines lost: 3"]
    assert (file.problem, file.lost) == (None, 3)
    assert path.read_bytes() == b"a\ne\n"
    file.close()


def test_half_a_line_on_a_full_disk_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    file, _ = made(path)
    write, room = os.write, [3]

    def filling(descriptor: int, data: Any) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = write(descriptor, data[: room[0]])
        room[0] -= done
        return done

    monkeypatch.setattr(os, "write", filling)
    file.append(b"abcdef\n")
    file.append(b"lost\n")
    room[0] = 1000
    file.append(b"next\n")
    assert path.read_bytes() == b"abc\nnext\n"
    file.close()


def test_a_directory_that_cannot_be_made_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file, said = made(tmp_path / "file" / "log")
    file.append(b"a\n")
    assert "cannot be written" in said[0]
