"""`callmux doctor --url` against a real listener."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import free_port

from .harness import python_server, stdio, write_config
from .test_listener import listener, run_listener


def doctor(tmp_path: Path, *args: str) -> tuple[int, Any]:
    words = [sys.executable, "-m", "callmux", "doctor", "--json", *args]
    done = subprocess.run(
        words, env={"HOME": str(tmp_path)} | _python_path(), capture_output=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


def _python_path() -> dict[str, str]:
    import os

    return {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}


def test_a_running_listener_is_well_and_keeps_no_session(tmp_path: Path) -> None:
    """C9: the original leaves a session behind for each run."""
    port = free_port()
    with listener(tmp_path, port):
        for _ in range(2):
            code, report = doctor(tmp_path, "--url", f"http://127.0.0.1:{port}", "--cwd", str(tmp_path))
            assert (code, report["issues"], report["warnings"]) == (0, [], [])
        assert report["status"]["body"]["listener"]["activeSessions"] == 1
        assert (report["health"]["body"]["sessions"], report["toolCount"] > 11) == (0, True)
    code, report = doctor(tmp_path, "--url", f"http://127.0.0.1:{port}")
    assert (code, "health" in report) == (1, False)
    assert "nothing listens" in report["issues"][0]


def test_a_server_behind_it_that_does_not_start_is_named(tmp_path: Path) -> None:
    port = free_port()
    servers = {
        "good": stdio(python_server("ledger_server.py", tmp_path / "l")),
        "bad": {"command": "/no/such/program"},
    }
    config = write_config(tmp_path / "config.json", servers)
    with run_listener(tmp_path, config, port):
        code, report = doctor(tmp_path, "--url", f"http://127.0.0.1:{port}/mcp")
        assert (code, report["ready"]["status"], report["initialize"]["ok"]) == (1, 503, True)
        assert [issue for issue in report["issues"] if 'server "bad" does not work' in issue]
