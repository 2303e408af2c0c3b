"""A record outlives its callmux, and whoever finds it ends what stands in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callmux.upstream import belongings
from callmux.upstream.belongings import Belongings, abandoned, running, sweep
from callmux.upstream.leftovers import MARK, Container, containers
from tests.support import eventually, python

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks of files are POSIX")

OWNER = """
import sys
from pathlib import Path
from callmux.upstream.belongings import Belongings
from callmux.upstream.leftovers import Container
own = Belongings(Path(sys.argv[1]))
own.begin()
own.note(Container("box", [], [sys.argv[2], "stop"], [], {}, None))
print(own.mark(), flush=True)
sys.stdin.read()
"""


def box(name: str = "box") -> Container:
    return Container(name, [], ["/nowhere/engine", "stop"], [], {}, None)


def test_what_was_noted_stands_in_the_record_until_it_is_struck_out(tmp_path: Path) -> None:
    own = Belongings(tmp_path / "running")
    assert own.record is None
    own.begin()
    own.begin()
    record = own.record
    assert record is not None
    assert record.stat().st_mode & 0o777 == 0o600
    own.note(box())
    own.note(box("other"))
    own.strike(box())
    with record.open() as file:
        assert containers(file) == [box("other")]
    own.close(left=False)
    own.close(left=False)
    assert list((tmp_path / "running").iterdir()) == []


def test_no_two_marks_are_alike() -> None:
    one, other = Belongings(None), Belongings(None)
    marks = [one.mark(), one.mark(), other.mark()]
    assert len(set(marks)) == 3
    assert marks[0].startswith(f"{one.instance}.")
    assert repr(one) == f"Belongings({one.instance})"


def test_without_a_folder_nothing_is_kept() -> None:
    own = Belongings(None)
    own.begin()
    own.note(box())
    own.close(left=False)
    assert own.record is None
    assert running(None) is None
    assert running(Path("state")) == Path.cwd() / "state" / "running"


def test_the_record_of_one_that_lives_is_not_touched(tmp_path: Path) -> None:
    own = Belongings(tmp_path)
    own.begin()
    assert abandoned(tmp_path) == []
    assert own.record is not None
    sweep([own.record])
    assert own.record.exists()
    own.close(left=True)
    (record,) = abandoned(tmp_path)
    assert abandoned(tmp_path, own.instance) == []
    sweep([record])
    assert abandoned(tmp_path) == []


def test_nothing_was_ever_kept(tmp_path: Path) -> None:
    assert abandoned(tmp_path / "running") == []
    sweep([tmp_path / "gone"])


def test_the_next_one_ends_what_a_killed_one_has_left(tmp_path: Path) -> None:
    folder, engine = tmp_path / "running", tmp_path / "engine"
    engine.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/log\n')
    engine.chmod(0o755)
    owner = python("-c", OWNER, folder, engine)
    assert owner.stdin is not None
    assert owner.stdout is not None
    mark = owner.stdout.readline().decode().strip()
    script = "import time; print(1, flush=True); time.sleep(300)"
    left = python("-c", script, env={MARK: mark}, start_new_session=True, stderr=None)
    try:
        assert left.stdout is not None
        assert left.stdout.readline()
        assert abandoned(folder) == []
        owner.kill()
        owner.wait()
        records = abandoned(folder)
        assert [record.name for record in records] == [mark.partition(".")[0]]
        sweep(records)
        eventually(lambda: left.poll() is not None, "the end of what was left")
        assert (tmp_path / "log").read_text() == "stop box\n"
        assert list(folder.iterdir()) == []
    finally:
        for process in (owner, left):
            process.kill()
            process.communicate()


def test_a_record_whose_containers_cannot_be_stopped_is_kept_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Belongings(tmp_path)
    own.begin()
    own.note(box())
    record = own.record
    own.close(left=True)
    assert record is not None
    sweep([record])
    assert record.exists()
    monkeypatch.setattr(belongings, "KEPT_SECONDS", -1)
    sweep([record])
    assert not record.exists()


@pytest.mark.parametrize("kind", ["for others to write", "a link", "a folder", "another name"])
def test_what_may_be_another_users_is_not_read(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "running"
    folder.mkdir()
    record = folder / ("0" * 32)
    if kind == "a folder":
        record.mkdir()
    elif kind == "a link":
        (tmp_path / "file").touch()
        record.symlink_to(tmp_path / "file")
    elif kind == "another name":
        (folder / "README").touch()
    else:
        record.touch()
        record.chmod(0o666)
    assert abandoned(folder) == []


def test_where_no_record_can_be_kept_it_goes_on_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "file").touch()
    own = Belongings(tmp_path / "file" / "running")
    own.begin()
    own.begin()
    own.note(box())
    assert own.record is None
    assert caplog.text.count("could not keep a record") == 1
    own.close(left=False)


def test_where_there_are_no_locks_no_record_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a lock it could not be told whether its callmux lives."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    own = Belongings(tmp_path)
    own.begin()
    assert own.record is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ("0" * 32)).touch()
    assert abandoned(tmp_path) == []


def test_a_full_disk_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Belongings(tmp_path)
    own.begin()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        own.note(box())
    assert "could not note a container" in caplog.text
    own.close(left=False)


def test_a_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    own = Belongings(tmp_path)
    own.begin()
    child = subprocess.Popen(["sleep", "300"], close_fds=False)
    try:
        own.close(left=True)
        assert len(abandoned(tmp_path)) == 1
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_the_program_that_is_run_alone_looks_for_the_mark_that_servers_are_given() -> None:
    assert belongings.MARK == MARK
