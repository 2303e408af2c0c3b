"""What the installed unit says, done as systemd would: start, ready, reload under a session, stop."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support import SECONDS, eventually, free_port

from .harness import python_server, stdio, write_config
from .test_listener import HELLO, post, request

_BOOTED = """
import sys
from pathlib import Path
from callmux.cli import daemon
from callmux.cli.main import main
daemon.SYSTEMD = Path("/")
sys.exit(main(sys.argv[1:]))
"""
DAEMON = [sys.executable, "-c", _BOOTED, "daemon"]
"""As where systemd runs, which a machine for tests need not do."""


class ServiceManager:
    """As much of systemd as a unit of ours needs: `Type=notify`, `NotifyAccess=all`, one control group."""

    def __init__(self, unit: str, tmp_path: Path) -> None:
        self.main_pid = 0
        self.said: list[str] = []
        self._settings = dict(line.partition("=")[::2] for line in unit.splitlines() if "=" in line)
        self._env = {key: value for key, value in os.environ.items() if not key.startswith("CALLMUX_")} | {
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
        }
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._env["NOTIFY_SOCKET"])
        self._socket.settimeout(30)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = shlex.split(self._settings["ExecStart"])
        self.process = subprocess.Popen(words, env=self._env, start_new_session=True)
        self.main_pid = self.process.pid

    def until_ready(self) -> None:
        while True:
            lines = self._socket.recv(4096).decode().splitlines()
            self.said += lines
            for line in lines:
                if line.startswith("MAINPID="):
                    self.main_pid = int(line.partition("=")[2])
            if "READY=1" in lines:
                return

    def reload(self) -> None:
        command = self._settings["ExecReload"].replace("$MAINPID", str(self.main_pid))
        subprocess.run(shlex.split(command), check=True, timeout=SECONDS)

    def close(self) -> None:
        for pid in {self.main_pid, self.process.pid if self.process else 0} - {0}:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGTERM)
        if self.process is not None:
            self.process.wait(30)
        self._socket.close()


@contextmanager
def installed(tmp_path: Path, config: Path, port: int) -> Iterator[ServiceManager]:
    """`daemon install --dry-run` says what the unit is; that is what runs."""
    wrapper = tmp_path / "bin dir" / "callmux"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m callmux "$@"\n')
    wrapper.chmod(0o755)
    fake = tmp_path / "fake" / "systemctl"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    env = {**os.environ, "HOME": str(tmp_path), "PATH": f"{fake.parent}:{os.environ['PATH']}"}
    words = [*DAEMON, "install", "--user", "--yes", "--binary", str(wrapper), "--port", str(port)]
    done = subprocess.run([*words, "--config", str(config)], env=env, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    unit = tmp_path / ".config" / "systemd" / "user" / "callmux.service"
    manager = ServiceManager(unit.read_text(), tmp_path)
    try:
        yield manager
    finally:
        manager.close()


def test_a_reload_under_a_live_session_keeps_it(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(
        tmp_path / "a config.json", {"a": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    )
    with installed(tmp_path, config, port) as manager:
        manager.start()
        manager.until_ready()
        first = manager.main_pid
        status, _, session = post(port, request(1, "initialize", HELLO))
        assert status == 200
        manager.reload()
        manager.until_ready()
        assert manager.main_pid != first
        assert manager.process is not None
        assert manager.process.wait(30) == 0
        status, answer, _ = post(port, request(2, "tools/list", {}), session)
        assert status == 200
        assert "callmux_parallel" in {tool["name"] for tool in answer["result"]["tools"]}
        second = manager.main_pid
        os.kill(second, signal.SIGTERM)
        eventually(lambda: not _runs(second), "the end of the second process")


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
