"""What the service manager is told."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from callmux.cli.supervisor import VARIABLE, Supervisor


@pytest.mark.parametrize("abstract", [False, True])
def test_it_hears_who_answers_and_that_we_end(abstract: bool, tmp_path: Path) -> None:
    name = f"callmux-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        try:
            manager.bind(f"\0{name}" if abstract else str(tmp_path / name))
        except OSError:
            pytest.skip("this system has no addresses outside the file system")
        env = {VARIABLE: f"@{name}" if abstract else str(tmp_path / name), "OTHER": "1"}
        supervisor = Supervisor(env)
        assert env == {"OTHER": "1"}
        supervisor.ready()
        assert manager.recv(100).decode() == f"MAINPID={os.getpid()}\nREADY=1"
        supervisor.stopping()
        assert manager.recv(100) == b"STOPPING=1"


def test_where_nobody_asked_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    Supervisor({}).ready()
    assert caplog.records == []


def test_a_manager_that_is_not_there_is_no_reason_to_fail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "callmux"):
        Supervisor({VARIABLE: str(tmp_path / "nobody")}).ready()
    assert VARIABLE in caplog.text
