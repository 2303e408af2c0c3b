"""The files of compiled code: whole or not there, for nobody else, and gone when nobody uses them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callmux.code_keeper import HOUR_SECONDS, MONTH_SECONDS, MOST_OTHERS, is_settled, opened, sweep, write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no such directory elsewhere")


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    number = opened(str(tmp_path / "base"), "callmux/byte-code/ours")
    yield number
    os.close(number)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    folder = tmp_path / "base" / "callmux" / "byte-code"
    folder.mkdir(parents=True)
    return folder


def made(folder: Path, name: str, age: float) -> None:
    (folder / name).mkdir()
    (folder / name / "module").write_bytes(b"code")
    then = time.time() - age
    os.utime(folder / name, (then, then))


def begun(tmp_path: Path) -> None:
    os.close(opened(str(tmp_path / "base"), "callmux/byte-code/ours"))


def test_directories_of_installations_that_nobody_starts_go(others: Path, tmp_path: Path) -> None:
    made(others, "old", MONTH_SECONDS + 100)
    made(others, "used", MONTH_SECONDS - 100)
    begun(tmp_path)
    assert sorted(path.name for path in others.iterdir()) == ["ours", "used"]


def test_of_many_the_last_used_stay(others: Path, tmp_path: Path) -> None:
    for n in range(MOST_OTHERS + 3):
        made(others, f"{n:02}", 1000.0 * n)
    begun(tmp_path)
    assert sorted(path.name for path in others.iterdir()) == [
        *(f"{n:02}" for n in range(MOST_OTHERS)),
        "ours",
    ]


def test_what_is_none_of_ours_stays(others: Path, tmp_path: Path) -> None:
    (others / "file").write_text("")
    elsewhere = tmp_path / "elsewhere"
    made(tmp_path, "elsewhere", MONTH_SECONDS * 2)
    (others / "link").symlink_to(elsewhere)
    made(others, "with-a-folder", MONTH_SECONDS * 2)
    (others / "with-a-folder" / "folder").mkdir()
    then = time.time() - 2 * MONTH_SECONDS
    os.utime(others / "with-a-folder", (then, then))
    begun(tmp_path)
    assert {path.name for path in others.iterdir()} == {"file", "link", "ours", "with-a-folder"}
    assert (elsewhere / "module").is_file()


def test_nothing_goes_where_the_directory_was_there_already(others: Path, tmp_path: Path) -> None:
    begun(tmp_path)
    made(others, "old", MONTH_SECONDS * 2)
    begun(tmp_path)
    assert (others / "old").is_dir()


def test_a_link_on_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "callmux").symlink_to(tmp_path)
    with pytest.raises(OSError):
        begun(tmp_path)
    assert not (tmp_path / "byte-code").exists()


def test_a_file_takes_the_place_of_another_as_a_whole(descriptor: int, tmp_path: Path) -> None:
    for data in (b"one", b"another"):
        write(descriptor, "module", data)
        folder = tmp_path / "base/callmux/byte-code/ours"
        assert [path.name for path in folder.iterdir()] == ["module"]
        assert (folder / "module").read_bytes() == data


def test_a_file_is_written_in_as_many_pieces_as_it_takes(
    descriptor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:2]))
    write(descriptor, "module", b"12345")
    assert (tmp_path / "base/callmux/byte-code/ours/module").read_bytes() == b"12345"


def test_what_cannot_be_written_leaves_nothing_behind(
    descriptor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    write(descriptor, "module", b"before")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError):
        write(descriptor, "module", b"after")
    folder = tmp_path / "base/callmux/byte-code/ours"
    assert [path.read_bytes() for path in folder.iterdir()] == [b"before"]


def test_what_a_killed_process_has_begun_goes_after_an_hour(descriptor: int, tmp_path: Path) -> None:
    folder = tmp_path / "base/callmux/byte-code/ours"
    for name, age in (("a.1.new", HOUR_SECONDS + 100), ("b.2.new", HOUR_SECONDS - 100), ("c", MONTH_SECONDS)):
        (folder / name).write_bytes(b"")
        then = time.time() - age
        os.utime(folder / name, (then, then))
    sweep(descriptor)
    assert sorted(path.name for path in folder.iterdir()) == ["b.2.new", "c"]


def test_a_source_is_settled_once_another_time_would_show() -> None:
    now = time.time_ns()
    assert [is_settled(now), is_settled(now - 10**9 // 2 | 1)] == [False, True]
    whole = now // 10**9 * 10**9
    assert [is_settled(whole - 10**9), is_settled(whole - 3 * 10**9)] == [False, True]
    assert is_settled(now + 3600 * 10**9)
