"""Whatever happens to the files of a listener, calls go on, and status, dashboard and metrics show it."""

from __future__ import annotations

import contextlib
import json
import re
import resource
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, eventually, free_port

from .harness import python_server, stdio, write_config
from .test_listener import HELLO, post, request, run_listener

FILES = ("eventStore", "auditLog")
EVERYTHING: dict[str, Any] = {
    "dashboard": {"enabled": True},
    "eventStore": {"enabled": True, "path": "kept/events.sqlite"},
    "auditLog": {"enabled": True, "path": "audit.jsonl"},
}


class Watched:
    """A listener that writes all that there is."""

    def __init__(self, tmp_path: Path, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port
        self.store = tmp_path / "kept" / "events.sqlite"
        _, _, self.session = post(port, request(1, "initialize", HELLO))
        self.calls = 0

    def call(self) -> None:
        """A call, which is answered whatever happens."""
        self.calls += 1
        params = {"name": "read", "arguments": {"token": f"t{self.calls}"}}
        status, answer, _ = post(self.port, request(2, "tools/call", params), self.session)
        assert status == 200
        assert not answer["result"].get("isError"), answer

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS) as answer:
            return str(answer.read().decode())

    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/dashboard/data"))
        return found

    def past(self) -> dict[str, Any]:
        """What the dashboard shows of past calls; whoever looks has what waits written at once."""
        found: dict[str, Any] = json.loads(self.get("/dashboard/drilldown"))
        return found

    def problems(self) -> dict[str, str]:
        """What status shows."""
        found: dict[str, str] = self.data()["status"]["listener"].get("problems", {})
        return found

    def metric(self, name: str, file: str) -> float:
        found = re.search(rf'^{name}{{file="{file}"}} (\S+)$', self.get("/metrics"), re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    def is_told(self, file: str) -> bool:
        """Whether all that shows problems shows that of a file."""
        self.call()
        self.past()
        return file in self.problems()

    def is_well(self) -> bool:
        """Whether nothing shows a problem, and nobody has to restart anything for that."""
        self.call()
        self.past()
        return not self.problems()


@contextmanager
def watched(tmp_path: Path) -> Iterator[Watched]:
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    config, port = write_config(tmp_path / "config.json", servers, **EVERYTHING), free_port()
    with run_listener(tmp_path, config, port) as process:
        yield Watched(tmp_path, process, port)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of another process can be set on Linux only")
def test_a_full_disk_fails_no_call_and_is_shown_until_there_is_room(tmp_path: Path) -> None:
    with watched(tmp_path) as listener:
        listener.call()
        assert listener.past()["totals"]["calls"] == 1
        assert listener.problems() == {}
        pid = listener.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
        eventually(lambda: all(map(listener.is_told, FILES)), "the problems of both files")
        for file in FILES:
            assert file in listener.data()["status"]["listener"]["problems"]
            assert listener.metric("callmux_file_writable", file) == 0
        assert listener.data()["problems"]["eventStore"]
        assert listener.past()["enabled"] is False or listener.past()["store"]["problem"]
        assert listener.metric("callmux_file_lost_total", "auditLog") > 0
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        eventually(listener.is_well, "all is written again")
        assert listener.metric("callmux_file_writable", "eventStore") == 1
        # None of the calls is missing: they were kept as long as there was no room.
        assert listener.past()["totals"]["calls"] == listener.calls
        assert listener.past()["store"]["lost"] == 0


def test_a_database_that_another_process_holds_fails_no_call(tmp_path: Path) -> None:
    with watched(tmp_path) as listener:
        listener.call()
        assert listener.past()["totals"]["calls"] == 1
        with contextlib.closing(sqlite3.connect(listener.store, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            eventually(lambda: listener.is_told("eventStore"), "the lock")
            assert "locked" in listener.problems()["eventStore"]
            assert "locked" in listener.data()["problems"]["eventStore"]
            assert listener.metric("callmux_file_writable", "eventStore") == 0
            other.execute("ROLLBACK")
        eventually(listener.is_well, "it is written again")
        assert listener.past()["totals"]["calls"] == listener.calls


def test_a_database_that_is_damaged_meanwhile_is_kept_aside_and_shown(tmp_path: Path) -> None:
    with watched(tmp_path) as listener:
        listener.call()
        assert listener.past()["totals"]["calls"] == 1
        for suffix in ("", "-wal", "-shm"):
            with (
                contextlib.suppress(FileNotFoundError),
                Path(f"{listener.store}{suffix}").open("r+b") as file,
            ):
                file.truncate(200)
                file.write(b"\xff" * 200)

        def is_set_aside() -> bool:
            listener.call()
            found = listener.past()
            return found["enabled"] and "setAside" in found["store"]

        eventually(is_set_aside, "a new one")
        assert listener.past()["totals"]["calls"] >= 1
        assert listener.data()["eventStore"]["setAside"].endswith("events.sqlite.broken")
        assert listener.store.with_name("events.sqlite.broken").exists()
        eventually(listener.is_well, "all is well")
