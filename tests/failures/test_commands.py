"""Commands that refuse are no dead ends: each is provoked, its next step is taken, and the command works."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from callmux.failures.commands import FAILURES
from callmux.failures.registry import ALL, filled
from tests.live.harness import python_server, stdio

from .scene import shell

ELSEWHERE = {
    "startup_failed": "tests/test_runtime.py",
    "invalid_text": "tests/config/test_yaml_text.py: a value that comes from an anchor",
    "shell_failed": "tests/live/test_shell.py",
    "save_failed": "tests/cli/test_saving.py",
    "change_failed": "tests/clients/test_changes.py",
    "not_installed": "tests/clients/test_program.py",
    "setup": "tests/setup/test_plan.py",
    "not_understood": "tests/migrate/test_imported.py",
    "daemon_failed": "tests/daemon/test_apply.py",
    "listener_unanswered": "tests/doctor/test_listener.py",
    "demo_failed": "tests/demo/test_agent.py",
    "declined": "tests/cli/test_server_saving.py: needs a person who says no",
    "process_unreachable": "tests/process/test_control_sockets.py",
    "process_refused": "tests/process/test_control_sockets.py",
    "not_running": "tests/library/test_listener.py",
    "request_failed": "tests/library/test_gateway.py",
    "management_failed": "tests/management/test_client.py",
    "change_not_kept": "tests/management/test_changes.py",
    "certificate_unusable": "tests/transport/http/test_certificates.py",
    "listen_failed": "tests/cli/test_listen.py: the port is taken",
}
"""Failure -> where it is provoked otherwise."""

PLAYED: dict[str, Callable[[Path], None]] = {}


def played(id: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(play: Callable[[Path], None]) -> Callable[[Path], None]:
        PLAYED[id] = play
        return play

    return register


def test_every_refusal_is_provoked_here_or_elsewhere() -> None:
    assert not {f.id for f in FAILURES} - PLAYED.keys() - ELSEWHERE.keys()


@pytest.mark.parametrize("id", [f.id for f in FAILURES if f.id not in ELSEWHERE])
def test_its_next_step_leads_to_a_command_that_works(id: str, tmp_path: Path) -> None:
    PLAYED[id](tmp_path)


def refused(folder: Path, *words: str) -> str:
    done = shell(folder, *words)
    assert done.returncode, done.stdout
    said = done.stdout + done.stderr
    assert said.strip(), "it refused without a word"
    return said


def works(folder: Path, *words: str) -> str:
    done = shell(folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def follow(folder: Path, id: str) -> str:
    """Runs the command of a row as it stands."""
    return works(folder, *filled(ALL[id].command, {}).split()[1:])


def config(folder: Path, text: str | bytes = "") -> Path:
    path = folder / "c.json"
    servers = {"one": stdio(python_server("ledger_server.py", folder / "ledger"))}
    whole = text or json.dumps({"servers": servers})
    path.write_bytes(whole if isinstance(whole, bytes) else whole.encode())
    return path


@played("usage")
def usage(folder: Path) -> None:
    assert 'did you mean "server"' in refused(folder, "servre", "list")
    assert "server" in follow(folder, "usage")
    works(folder, "server", "list", "--config", str(config(folder)))


@played("invalid_config")
def invalid_config(folder: Path) -> None:
    path = config(folder, '{"servers": {"one": {"command": "x"}}, "callTimeoutMs": "soon"}')
    assert "callTimeoutMs" in refused(folder, "config", "check", "--config", str(path))
    works(folder, "config", "check", "--config", str(config(folder)))


@played("config_missing")
def config_missing(folder: Path) -> None:
    assert "callmux init" in refused(folder, "config", "check")
    follow(folder, "config_missing")
    works(folder, "config", "check")


@played("invalid_json")
def invalid_json(folder: Path) -> None:
    said = refused(folder, "server", "list", "--config", str(config(folder, '{"servers": {}\n  "x": 1}')))
    assert "line 2" in said or ":2:" in said
    works(folder, "server", "list", "--config", str(config(folder)))


@played("invalid_yaml")
def invalid_yaml(folder: Path) -> None:
    path = folder / "c.yaml"
    path.write_text("servers:\n  one: [\n")
    assert "c.yaml" in refused(folder, "server", "list", "--config", str(path))
    path.write_text("servers:\n  one: {command: x}\n")
    works(folder, "server", "list", "--config", str(path))


@played("not_utf8")
def not_utf8(folder: Path) -> None:
    path = config(folder, '{"servers": {}}'.encode("utf-16"))
    assert "UTF-8" in refused(folder, "server", "list", "--config", str(path))
    works(folder, "server", "list", "--config", str(config(folder)))


@played("client_file")
def client_file(folder: Path) -> None:
    (folder / ".cursor").mkdir()
    path = folder / ".cursor" / "mcp.json"
    path.write_text("[1, 2]")
    assert "mcp.json" in refused(folder, "client", "attach", "cursor", "--url", "http://127.0.0.1:1/mcp")
    path.write_text("{}")
    works(folder, "client", "attach", "cursor", "--url", "http://127.0.0.1:1/mcp")


@played("insecure_listener")
def insecure_listener(folder: Path) -> None:
    said = refused(folder, "--config", str(config(folder)), "--listen", "1", "--host", "0.0.0.0")
    assert "Listen on 127.0.0.1" in said
