"""Decisions that outlive the process: for a directory, a principal, a tool and its definition."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from callmux.errors import ApprovalUnavailable
from callmux.guard import projects
from callmux.guard.approvals import Subject
from callmux.guard.projects import Projects

TOOL = Subject("s", "tools/call", "t", "d1")
OTHER = Subject("s", "tools/call", "u", "d1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "approvals.json"


def test_a_decision_is_there_for_the_next_process(path: Path) -> None:
    Projects(path, lambda: 0.0).add("/p", "", [TOOL])
    later = Projects(path)
    assert later.knows("/p", "", TOOL)
    assert not later.knows("/q", "", TOOL)
    assert not later.knows("/p", "bearer:a", TOOL)
    assert not later.knows("/p", "", OTHER)
    (kept,) = later.all()
    assert kept.decided == "1970-01-01T00:00:00.000Z"


def test_the_file_is_for_its_owner_and_has_a_version_and_no_arguments(path: Path) -> None:
    Projects(path).add("/p", "", [TOOL, OTHER])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    document = json.loads(path.read_text())
    assert document["version"] == 1
    assert set(document["decisions"][0]) == {
        "directory", "principal", "server", "method", "target", "definition", "decided",
    }  # fmt: skip
    assert not [left for left in path.parent.iterdir() if left.suffix == ".new"]


def test_a_tool_with_another_definition_is_dropped(path: Path) -> None:
    known = Projects(path)
    known.add("/p", "", [TOOL, OTHER])
    changed = Subject("s", "tools/call", "t", "d2")
    assert not known.knows("/p", "", changed)
    # Coming back does not bring the decision back.
    assert not Projects(path).knows("/p", "", TOOL)
    assert Projects(path).knows("/p", "", OTHER)


def test_what_another_process_decides_is_noticed(path: Path) -> None:
    one, other = Projects(path), Projects(path)
    assert not one.knows("/p", "", TOOL)
    other.add("/p", "", [TOOL])
    assert one.knows("/p", "", TOOL)
    one.add("/p", "", [OTHER])
    assert other.knows("/p", "", TOOL)
    assert other.knows("/p", "", OTHER)
    assert len(other.remove(lambda decision: decision.target == "t")) == 1
    assert not one.knows("/p", "", TOOL)
    path.unlink()
    assert not one.knows("/p", "", OTHER)


def test_many_that_decide_at_once_lose_nothing(path: Path) -> None:
    def decide(number: int) -> None:
        Projects(path).add("/p", "", [Subject("s", "tools/call", f"t{number}", "d")])

    threads = [threading.Thread(target=decide, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(Projects(path).all()) == 12


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b'{"version": 0, "decisions": []}',
        b'{"version": "1", "decisions": []}',
        b'{"version": 1}',
        b'{"version": 1, "decisions": [{"directory": "/p"}]}',
        b'{"version": 1, "decisions": [{"directory": "/p", "server": "s", "method": "m", "target": 1}]}',
        b"\xff\xfe",
    ],
)
def test_nothing_counts_in_a_file_that_is_not_understood(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    known = Projects(path)
    assert not known.knows("/p", "", TOOL)
    assert known.usable
    known.add("/p", "", [TOOL])
    assert Projects(path).knows("/p", "", TOOL)


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"version": 2, "decisions": "of another kind"}')
    known = Projects(path)
    assert not known.usable
    assert not known.knows("/p", "", TOOL)
    with pytest.raises(ApprovalUnavailable, match="newer callmux"):
        known.add("/p", "", [TOOL])
    assert "of another kind" in path.read_text()


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_file_that_others_may_write_does_not_count(path: Path, mode: int) -> None:
    Projects(path).add("/p", "", [TOOL])
    path.chmod(mode)
    assert not Projects(path).knows("/p", "", TOOL)


def test_a_link_does_not_count(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    Projects(elsewhere).add("/p", "", [TOOL])
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    assert not Projects(path).knows("/p", "", TOOL)


def test_a_file_of_somebody_else_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Projects(path).add("/p", "", [TOOL])
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)
    assert not Projects(path).knows("/p", "", TOOL)


def test_a_file_without_end_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Projects(path).add("/p", "", [TOOL])
    monkeypatch.setattr(projects, "MAX_BYTES", 10)
    assert not Projects(path).knows("/p", "", TOOL)


def test_the_oldest_decisions_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "MOST", 2)
    known = Projects(path)
    for name in ("a", "b", "a", "c"):
        known.add("/p", "", [Subject("s", "tools/call", name, "d")])
    assert [decision.target for decision in known.all()] == ["a", "c"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_where_nothing_can_be_written_keeps_nothing(path: Path) -> None:
    path.parent.mkdir(mode=0o500)
    with pytest.raises(ApprovalUnavailable, match="cannot be written"):
        Projects(path).add("/p", "", [TOOL])


def test_a_file_in_place_of_the_directory_keeps_nothing(path: Path) -> None:
    path.parent.write_text("")
    known = Projects(path)
    assert not known.knows("/p", "", TOOL)
    with pytest.raises(ApprovalUnavailable, match="cannot be written"):
        known.add("/p", "", [TOOL])


def test_a_lock_that_is_never_given_back_is_not_waited_for_without_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Projects(path)
    known.add("/p", "", [TOOL])
    monkeypatch.setattr(projects, "LOCK_SECONDS", 0.05)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ApprovalUnavailable, match="cannot be written"):
            known.add("/p", "", [OTHER])
        # What changed is not believed, though its decision cannot be dropped.
        assert not known.knows("/p", "", Subject("s", "tools/call", "t", "d2"))
    known.add("/p", "", [OTHER])
    assert Projects(path).knows("/p", "", OTHER)
