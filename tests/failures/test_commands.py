"""Commands that refuse are no dead ends: each is provoked, its next step is taken, and the command works."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callmux.failures.commands import FAILURES
from callmux.failures.registry import ALL, filled
from tests.certificates import Authority
from tests.live.harness import python_server, stdio
from tests.live.terminal import Terminal
from tests.live.test_listener import listener, run_listener
from tests.live.test_stdio_session import Scripted, tool
from tests.support import free_port

from .scene import environment_of, program, shell

ELSEWHERE = {
    "change_failed": "tests/clients/test_changes.py: another program changes the file in the same moment",
    "demo_failed": "tests/demo/test_agent.py: an installation that is broken",
    "not_running": "tests/library/test_listener.py: raised to a program, not by a command",
    "request_failed": "tests/library/test_gateway.py: the same",
    "management_failed": "tests/management/test_client.py: the same",
    "not_supported": "tests/cli/test_top.py: needs another system",
    "sign_out_failed": "tests/cli/test_logout.py: needs a drive that is full",
    "handover_failed": "tests/cli/test_handover.py: happens between two processes of callmux only",
    "not_private": "tests/process/test_control.py: needs another user; callmux goes on without its sockets",
    "change_not_kept": "tests/management/test_changes.py: needs a drive that is full",
}
"""Failure -> where it is provoked otherwise, and why not here."""

PLAYED: dict[str, Callable[[Path], None]] = {}
FOLLOWED: set[str] = set()
"""Those whose step is a command line of the row, which is run as it stands."""


def played(id: str, *, followed: bool = False) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def register(play: Callable[[Path], None]) -> Callable[[Path], None]:
        PLAYED[id] = play
        if followed:
            FOLLOWED.add(id)
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


def step(id: str, *more: str) -> list[str]:
    """The command of a row as it stands, with what says where."""
    return [*filled(ALL[id].command, {}).split()[1:], *more]


def follow(folder: Path, id: str, *more: str) -> str:
    """Runs the command of a row as it stands."""
    return works(folder, *step(id, *more))


def config(folder: Path, text: str | bytes = "") -> Path:
    path = folder / "c.json"
    servers = {"one": stdio(python_server("ledger_server.py", folder / "ledger"))}
    whole = text or json.dumps({"servers": servers})
    path.write_bytes(whole if isinstance(whole, bytes) else whole.encode())
    return path


@played("usage", followed=True)
def usage(folder: Path) -> None:
    assert 'did you mean "server"' in refused(folder, "servre", "list")
    assert "server" in follow(folder, "usage")
    works(folder, "server", "list", "--config", str(config(folder)))


@played("invalid_config", followed=True)
def invalid_config(folder: Path) -> None:
    path = config(folder, '{"servers": {"one": {"command": "x"}}, "callTimeoutMs": "soon"}')
    assert "callTimeoutMs" in refused(folder, "--config", str(path))
    assert "callTimeoutMs" in refused(folder, *step("invalid_config", "--config", str(path)))
    follow(folder, "invalid_config", "--config", str(config(folder)))
    works(folder, "--config", str(path))


@played("config_missing", followed=True)
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


@played("startup_failed", followed=True)
def startup_failed(folder: Path) -> None:
    late = {"late": {"command": "./late"}}
    path = str(config(folder, json.dumps({"servers": late, "strictStartup": True})))
    assert "late" in refused(folder, "--config", path)
    assert "late" in refused(folder, *step("startup_failed", "--config", path))
    program(folder, Scripted(folder, "third").has(tool("x")))
    follow(folder, "startup_failed", "--config", path)
    works(folder, "--config", path)


@played("invalid_text")
def invalid_text(folder: Path) -> None:
    path = folder / "c.yaml"
    path.write_text("base: &base {command: x}\nservers:\n  one: *base\n")
    change = ("server", "set", "one", "--call-timeout", "5", "--config", str(path))
    assert "edit it by hand" in refused(folder, *change)
    path.write_text("servers:\n  one: {command: x}\n")
    works(folder, *change)


@played("shell_failed", followed=True)
def shell_failed(folder: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/mcp"
    assert str(port) in refused(folder, "call", "a__append", "{}", "--url", url)
    refused(folder, *step("shell_failed", "--url", url))
    with listener(folder, port):
        follow(folder, "shell_failed", "--url", url)
        works(folder, "tools", "list", "--url", url)


@played("save_failed")
def save_failed(folder: Path) -> None:
    (folder / "taken").write_text("a file where a directory is wanted")
    add = ("server", "add", "x", "--no-probe", "--config", str(folder / "taken" / "c.json"), "--", "x")
    assert "taken" in refused(folder, *add)
    (folder / "taken").unlink()
    works(folder, *add)


@played("not_installed", followed=True)
def not_installed(folder: Path) -> None:
    """The same callmux, as `uvx` would run it and as it is installed."""
    attach = ("client", "attach", "cursor", "--config", str(config(folder)), "--yes")
    (folder / ".cursor").mkdir()
    fleeting = folder / ".cache" / "uv" / "archive-v0" / "x"
    (fleeting / "bin").mkdir(parents=True)
    (fleeting / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (fleeting / "lib").symlink_to(Path(sys.prefix) / "lib")
    (fleeting / "pyvenv.cfg").write_bytes((Path(sys.prefix) / "pyvenv.cfg").read_bytes())
    words = [str(fleeting / "bin" / "python"), "-m", "callmux", *attach]
    env = environment_of(folder)
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=env)
    assert "uv tool install callmux" in done.stderr
    assert "claude" in follow(folder, "not_installed")
    works(folder, *attach)


@played("setup", followed=True)
def setup(folder: Path) -> None:
    (folder / ".cursor").mkdir()
    path = folder / ".config" / "callmux" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"servers": {"one": {"command": 5}}}')
    assert "--fresh" in refused(folder, "setup", "--yes")
    follow(folder, "setup", "--fresh")
    works(folder, "setup", "--yes", "--fresh")


@played("not_understood", followed=True)
def not_understood(folder: Path) -> None:
    path = folder / "theirs.json"
    path.write_text('{"x": 1}')
    assert "has no servers" in refused(folder, *step("not_understood", "--from", str(path)))
    path.write_text('{"mcpServers": {"one": {"command": "x"}}}')
    assert "one" in follow(folder, "not_understood", "--from", str(path))
    works(folder, "migrate", "--from", str(path), "--yes")


@played("daemon_failed")
def daemon_failed(folder: Path) -> None:
    """Without a service manager, or a service, the listener runs by itself, as the message says."""
    assert refused(folder, "daemon", "start", "--user", "--name", "callmux-of-a-test")
    with listener(folder, port := free_port()):
        works(folder, "tools", "list", "--url", f"http://127.0.0.1:{port}/mcp")


@played("listener_unanswered", followed=True)
def listener_unanswered(folder: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/mcp"
    assert str(port) in refused(folder, *step("listener_unanswered", "--url", url))
    with listener(folder, port):
        follow(folder, "listener_unanswered", "--url", url)


@played("declined")
def declined(folder: Path) -> None:
    path = str(config(folder))
    for answer in ("n", "y"):
        add = ("server", "add", "two", "--config", path, "--", str(folder / "nothing"))
        person = Terminal(environment_of(folder), folder, *add, whole=True)
        person.types(answer, "anyway")
        assert (person.ends()[0] == 0) is (answer == "y"), person.shown
        assert ("two" in works(folder, "server", "list", "--config", path)) is (answer == "y")


@contextmanager
def running(folder: Path, path: str) -> Iterator[subprocess.Popen[bytes]]:
    """A callmux in run mode whose client stays."""
    words = [sys.executable, "-m", "callmux", "--config", path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment_of(folder), cwd=folder) as process:
        end = time.monotonic() + 20
        while "running" not in shell(folder, "server", "list", "--json", "--config", path).stdout:
            assert time.monotonic() < end
        yield process
        process.kill()


@played("process_unreachable")
def process_unreachable(folder: Path) -> None:
    path = str(config(folder))
    logs = ("server", "logs", "one", "--config", path)
    with running(folder, path) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            assert str(process.pid) in refused(folder, *logs)
        finally:
            process.send_signal(signal.SIGCONT)
        works(folder, *logs)


@played("process_refused", followed=True)
def process_refused(folder: Path) -> None:
    servers = {"one": stdio(python_server("ledger_server.py", folder / "ledger"))}
    path = config(folder, json.dumps({"servers": servers | {"off": {**servers["one"], "disabled": True}}}))
    with running(folder, str(path)):
        refused(folder, "server", "restart", "off", "--config", str(path))
        assert "off" in follow(folder, "process_refused", "--config", str(path))
        works(folder, "server", "enable", "off", "--config", str(path))
        end = time.monotonic() + 20
        while shell(folder, "server", "restart", "off", "--config", str(path)).returncode:
            assert time.monotonic() < end


@played("certificate_unusable", followed=True)
def certificate_unusable(folder: Path) -> None:
    port, url = free_port(), "https://localhost:{}/mcp"
    authority = Authority(folder)
    cert, key = authority.issue()
    wrong = folder / "wrong.pem"
    wrong.write_text("no certificate")
    path = config(folder)
    given = ("--config", str(path), "--listen", str(port), "--tls-key", str(key), "--tls-cert")
    assert "wrong.pem" in refused(folder, *given, str(wrong))
    trust = {"SSL_CERT_FILE": str(authority.file)}
    with run_listener(folder, path, port, "--tls-key", str(key), "--tls-cert", str(cert)):
        done = shell(folder, *step("certificate_unusable", "--url", url.format(port)), env=trust)
        assert done.returncode == 0, done.stdout + done.stderr


@played("nothing_seen")
def nothing_seen(folder: Path) -> None:
    port = free_port()
    top = ("top", "--once", "--interval", "1", "--url", f"http://127.0.0.1:{port}")
    with run_listener(folder, config(folder), port):
        assert "dashboard is off" in refused(folder, *top)
    path = config(folder, json.dumps({"servers": {}, "dashboard": {"enabled": True}}))
    with run_listener(folder, path, port):
        assert "0 calls" in works(folder, *top)


@played("listen_failed")
def listen_failed(folder: Path) -> None:
    given = ("--config", str(config(folder)), "--listen")
    with listener(folder, port := free_port()):
        assert str(port) in refused(folder, *given, str(port))
        with run_listener(folder, config(folder), another := free_port()):
            works(folder, "tools", "list", "--url", f"http://127.0.0.1:{another}/mcp")
