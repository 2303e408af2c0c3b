"""callmux daemon"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmux.cli import daemon
from callmux.daemon.apply import DaemonFailed, Done
from callmux.daemon.plan import ServiceMachine
from callmux.errors import CallmuxError, ConfigMissing, UsageError


class Machine:
    """A home directory, a service manager that writes down what it hears, and `callmux daemon` on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.heard: list[str] = []
        self.config = home / "c.json"
        self.config.write_text('{"servers": {}}')
        self.place = ServiceMachine(
            platform="linux", has_systemctl=True, uid=1000, home=str(home), path="/usr/bin"
        )
        self.code = 0

    @property
    def service_file(self) -> Path:
        return self.home / ".config" / "systemd" / "user" / "callmux.service"

    def __call__(self, *args: str) -> int:
        return daemon.run(list(args), str(self.config), self._manager, self.place)

    def _manager(self, words: Sequence[str]) -> Done:
        self.heard.append(" ".join(words))
        return Done(self.code, "said")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    monkeypatch.setattr(daemon, "LINGER", tmp_path / "no-linger")
    return Machine(tmp_path)


def test_a_listener_is_installed_and_removed(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine("install", "--start", "--enable", "--yes", "--port", "5000") == 0
    text = machine.service_file.read_text()
    assert f'--config "{machine.config}" --listen 5000\n' in text
    assert machine.heard == [
        "systemctl --user daemon-reload",
        "systemctl --user enable callmux.service",
        "systemctl --user start callmux.service",
    ]
    assert f"Wrote {machine.service_file}" in capsys.readouterr().out
    assert machine("install", "--start", "--yes") == 0
    assert machine.heard[-1] == "systemctl --user restart callmux.service"
    assert machine("uninstall", "--yes") == 0
    assert not machine.service_file.exists()


def test_a_dry_run_changes_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine("install", "--start", "--dry-run", "--json", "--name", "x") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["plan"]["serviceFilePath"].endswith("/x.service")
    assert answer["plan"]["commands"][-1] == ["systemctl", "--user", "start", "x.service"]
    assert "File to be written" in answer["output"]
    assert machine("uninstall", "--dry-run") == 0
    assert "File to be removed" in capsys.readouterr().out
    assert (machine.heard, os.listdir(machine.home)) == ([], ["c.json"])


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_nothing_is_done_without_a_yes(machine: Machine, action: str, flags: list[str]) -> None:
    """C5: the original takes `--json` for a yes, and (C16) ends with 0 where there is nobody to ask."""
    with pytest.raises(UsageError, match="--yes"):
        machine(action, *flags)
    assert (machine.heard, os.listdir(machine.home)) == ([], ["c.json"])


@pytest.mark.parametrize(("answer", "done"), [("y", True), ("YES ", True), ("", False), ("n", False)])
def test_somebody_at_the_terminal_is_asked(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    done: bool,
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert machine("install") == (0 if done else 1)
    assert machine.service_file.exists() == done
    shown = capsys.readouterr().out
    assert "File to be written" in shown
    assert ("Nothing was changed" in shown) == (not done)


def test_other_actions_just_run(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("start", "stop", "restart", "enable", "disable", "logs"):
        assert machine(action) == 0
    assert [line.split()[2] for line in machine.heard[:5]] == [
        *("start", "stop", "reload-or-restart", "enable", "disable")
    ]
    assert "$ journalctl --user -u callmux.service -n 100 --no-pager\nsaid\n" in capsys.readouterr().out
    machine.code = 3
    assert machine("status", "--json") == 1
    assert json.loads(capsys.readouterr().out)["output"].endswith("said")
    with pytest.raises(DaemonFailed):
        machine("start")


def test_only_installing_reads_the_configuration(machine: Machine) -> None:
    machine.config.unlink()
    assert machine("start") == 0
    with pytest.raises(ConfigMissing):
        machine("install", "--yes")
    machine.config.write_text('{"servers": 5}')
    with pytest.raises(CallmuxError, match="servers must be"):
        machine("install", "--dry-run")


def test_a_listener_that_would_refuse_to_start_is_not_installed(machine: Machine) -> None:
    """C5: the original installs a service that can only crash."""
    with pytest.raises(UsageError, match="this service could not start"):
        machine("install", "--host", "0.0.0.0", "--yes")
    assert not machine.service_file.exists()


def test_variables_that_the_service_will_not_have_are_named(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """C5: in the original they are empty."""
    refs = {"T": "env:SOME_TOKEN", "U": "env:OTHER_TOKEN"}
    machine.config.write_text(json.dumps({"servers": {"a": {"command": "x", "envRefs": refs}}}))
    variables = machine.home / ".config" / "callmux" / "callmux.env"
    variables.parent.mkdir(parents=True)
    variables.write_text("OTHER_TOKEN=1\n")
    assert machine("install", "--yes") == 0
    shown = capsys.readouterr().out
    assert (
        f"Warning: the configuration uses environment variables (SOME_TOKEN): write them into {variables}"
        in (shown)
    )
    assert f"EnvironmentFile=-{variables}\n" in machine.service_file.read_text()


def test_a_service_that_ends_with_the_session_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(daemon, "LINGER", machine.home)
    machine("install", "--dry-run")
    assert "loginctl enable-linger" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["install", "status", "start"])
def test_where_systemd_does_not_run_a_plan_is_shown_and_nothing_done(
    machine: Machine, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    """Such as in a container, in which systemctl is installed all the same."""
    machine.place = msgspec.structs.replace(machine.place, systemd_runs=False)
    assert machine(action, "--dry-run") == 0
    assert "systemd does not run here" in capsys.readouterr().out
    with pytest.raises(CallmuxError, match=r"systemd does not run here.*--autostart"):
        machine(action, *(["--yes"] if action == "install" else []))
    assert not machine.service_file.exists()


def test_an_unsupported_machine_is_no_success(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """C5: the original exits with 0."""
    machine.place = msgspec.structs.replace(machine.place, has_systemctl=False)
    assert machine("install", "--yes") == 1
    shown = capsys.readouterr().out
    assert "Manual command: " in shown
    assert not machine.service_file.exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "(?i)which of"),
        (["instal"], 'did you mean "install"'),
        (["install", "--port", "0"], "1 to 65535"),
        (["install", "--name", "a/b"], "--name must"),
        (["install", "--user", "--system"], "exclude each other"),
        (["install", "--host", " "], "--host is empty"),
        (["install", "--binary", "/no/such/program"], "not a program"),
        (["install", "--binary", "/x/callmux.js"], "for Node"),
        (["start", "--bogus"], "Unknown daemon start option"),
    ],
)
def test_usage(machine: Machine, args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        machine(*args)


def test_another_program_may_be_named(machine: Machine) -> None:
    machine("install", "--binary", "/bin/sh", "--yes")
    assert 'ExecStart="/bin/sh" --config' in machine.service_file.read_text()


def test_this_machine_is_described() -> None:
    place: Any = daemon.this_place()
    assert (place.home, place.uid) == (str(Path.home()), os.getuid())
