"""The door to what waits for people, which loads nothing before anything has to wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from callmux.clock import Clock
from callmux.errors import ApprovalUnavailable
from callmux.process.desk import Desk


def desk(path: Path) -> Desk:
    return Desk(path, single=True, clock=Clock())


def test_before_anything_waits_there_is_nothing(tmp_path: Path) -> None:
    unused = desk(tmp_path)
    unused.withdraw("nobody hears of it")
    assert unused.waiting() == {"waiting": []}
    assert repr(unused) == "Desk(unused)"


def test_there_is_one_approval_for_the_process(tmp_path: Path) -> None:
    used = desk(tmp_path)
    assert used.approval() is used.approval()
    assert not used.approval().approvals.reachable
    used.reachable = True
    assert used.approval().approvals.reachable
    assert used.waiting() == {"waiting": []}
    assert repr(used) == "Desk(Approvals(0 waiting))"


def test_an_answer_to_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ApprovalUnavailable):
        desk(tmp_path).answer("abc", "once")


def test_without_the_key_nothing_of_approval_is_loaded() -> None:
    code = "import sys, callmux.cli.serve, callmux.process.config_watch; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=30, text=True).split())
    ours = {"process.approval", "guard.approvals", "guard.question", "guard.projects", "session.reach"}
    ours |= {"guard.consent", "rings.asking", "rings.approving", "rings.confirming", "metatools.foresight"}
    assert "callmux.process.desk" in loaded
    assert not {f"callmux.{name}" for name in ours} & loaded
