"""Carrying out a plan, with a service manager that is not one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from callmux.daemon.apply import DaemonFailed, Done, apply, check_owner, run_command, stream_command
from callmux.daemon.plan import ServiceMachine, ServiceOptions, ServicePlan, make_plan

FOREIGN = "[Service]\nExecStart=/bin/mine\n"


class FakeManager:
    """Records what it is told; fails for some verbs."""

    def __init__(self, **failing: Done) -> None:
        self.heard: list[str] = []
        self.failing = {verb.replace("_", "-"): done for verb, done in failing.items()}

    def __call__(self, words: Sequence[str]) -> Done:
        self.heard.append(" ".join(words))
        return next(
            (self.failing[word] for word in words if word in self.failing), Done(0, f"did {words[-1]}")
        )


def plan(tmp_path: Path, action: Any, **options: Any) -> ServicePlan:
    place = ServiceMachine(
        platform="linux", has_systemctl=True, uid=1000, home=str(tmp_path), path="/usr/bin"
    )
    options = {"command": ("/opt/callmux",), "config_path": "/c.json", **options}
    return make_plan(ServiceOptions(action=action, **options), place)


def service_file(tmp_path: Path) -> Path:
    return tmp_path / ".config" / "systemd" / "user" / "callmux.service"


def test_installing_writes_the_file_and_then_runs_the_commands(tmp_path: Path) -> None:
    manager = FakeManager()
    wanted = plan(tmp_path, "install", start=True)
    outcome = apply(wanted, manager)
    path = service_file(tmp_path)
    assert wanted.file
    assert path.read_text() == wanted.file.content
    assert os.listdir(path.parent) == ["callmux.service"]
    assert outcome == (
        f"Wrote {path}\n"
        "$ systemctl --user daemon-reload\ndid daemon-reload\n"
        "$ systemctl --user start callmux.service\ndid callmux.service",
        True,
    )
    apply(plan(tmp_path, "install", port=5000), manager)
    assert "--listen 5000" in path.read_text()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    path = service_file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(FOREIGN)
    manager = FakeManager()
    for action, verb in (("install", "overwrite"), ("uninstall", "remove")):
        with pytest.raises(DaemonFailed, match=f"Refusing to {verb} unmanaged daemon file"):
            apply(plan(tmp_path, action), manager)
    assert (path.read_text(), manager.heard) == (FOREIGN, [])
    check_owner(plan(tmp_path, "start"), force=False)
    path.write_text(" \n")
    check_owner(plan(tmp_path, "install"), force=False)


def test_force_takes_a_file_over_and_keeps_what_it_was(tmp_path: Path) -> None:
    path = service_file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(FOREIGN)
    apply(plan(tmp_path, "install"), FakeManager(), force=True)
    assert "callmux-managed-daemon" in path.read_text()
    assert path.with_name("callmux.service.bak").read_text() == FOREIGN


def test_uninstalling_by_force_removes_the_file(tmp_path: Path) -> None:
    """C5: the original disables the service, says that it is done, and leaves the file."""
    path = service_file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(FOREIGN)
    outcome = apply(plan(tmp_path, "uninstall"), FakeManager(), force=True)
    assert f"Removed {path}" in outcome.output
    assert os.listdir(path.parent) == ["callmux.service.bak"]


def test_a_refused_installation_leaves_nothing_behind(tmp_path: Path) -> None:
    """C5: the original leaves what it wrote."""
    path = service_file(tmp_path)
    for before in (None, "# callmux-managed-daemon\nold\n"):
        if before is not None:
            path.write_text(before)
        manager = FakeManager(daemon_reload=Done(1, "Failed to connect to bus: No medium found"))
        with pytest.raises(DaemonFailed, match=r"Failed to connect to bus") as failure:
            apply(plan(tmp_path, "install", start=True), manager)
        assert "use --system" in failure.value.message
        assert "as they were before" in failure.value.message
        assert manager.heard == ["systemctl --user daemon-reload"]
        assert (path.read_text() if path.exists() else None) == before
        assert os.listdir(path.parent) == ([] if before is None else ["callmux.service"])


def test_a_service_that_cannot_be_disabled_is_uninstalled_all_the_same(tmp_path: Path) -> None:
    """C5: in the original its file can never be removed."""
    apply(plan(tmp_path, "install"), FakeManager())
    manager = FakeManager(disable=Done(1, "no such unit"))
    outcome = apply(plan(tmp_path, "uninstall"), manager)
    assert not service_file(tmp_path).exists()
    assert outcome.ok
    assert "no such unit" in outcome.output
    assert manager.heard[-1] == "systemctl --user daemon-reload"
    assert "There was no" in apply(plan(tmp_path, "uninstall"), FakeManager()).output


def test_a_stopped_service_has_a_status(tmp_path: Path) -> None:
    """C5: to the original it is a fatal error."""
    stopped = FakeManager(status=Done(3, "Active: inactive (dead)"))
    outcome = apply(plan(tmp_path, "status"), stopped)
    assert (outcome.ok, "inactive (dead)" in outcome.output) == (False, True)
    assert apply(plan(tmp_path, "status"), FakeManager()).ok


def test_a_failure_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DaemonFailed, match=r"callmux daemon install.*--system"):
        apply(plan(tmp_path, "start"), FakeManager(start=Done(5, "Unit not found")))
    apply(plan(tmp_path, "install"), FakeManager())
    with pytest.raises(DaemonFailed, match="callmux daemon logs"):
        apply(plan(tmp_path, "start"), FakeManager(start=Done(1, "control process exited")))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".config").write_text("a file")
    with pytest.raises(DaemonFailed, match="cannot"):
        apply(plan(tmp_path, "install"), FakeManager())


def test_commands_are_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake `systemctl` that writes down what it is told."""
    fake = tmp_path / "bin" / "systemctl"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$@" >> "$LOG"\necho out; echo err >&2\n[ "$2" != stop ]\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    assert apply(plan(tmp_path, "start")).output == "$ systemctl --user start callmux.service\nout\nerr"
    with pytest.raises(DaemonFailed, match="exit code 1"):
        apply(plan(tmp_path, "stop"))
    assert (tmp_path / "log").read_text() == "--user start callmux.service\n--user stop callmux.service\n"
    assert stream_command(["systemctl", "--user", "stop"]) == 1


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(DaemonFailed, match='"/no/such/program" cannot be run'):
        run_command(["/no/such/program"])
    with pytest.raises(DaemonFailed, match="cannot be run"):
        stream_command(["/no/such/program"])
