"""A real listener process with real clients: the SDK over both transports, and raw HTTP."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import SECONDS, free_port

from .harness import MARK, python_server, stdio, swept, write_config

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


@contextmanager
def run_listener(
    tmp_path: Path, config: Path, port: int, *options: str, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A listener; what it writes to stderr is in `listener.log`. Nothing of it is left afterwards, nor of
    those that took its place."""
    mark = uuid.uuid4().hex
    words = [sys.executable, "-m", "callmux", "--config", str(config), "--listen", str(port), *options]
    where = {MARK: mark, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CALLMUX_")}
    with (tmp_path / "listener.log").open("ab") as log:
        process = subprocess.Popen(words, env=kept | where | (env or {}), stderr=log)
    with swept(mark), process:
        try:
            await_port(port, process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=SECONDS)


@contextmanager
def listener(tmp_path: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A listener in front of one server with a ledger."""
    config = write_config(
        tmp_path / "config.json", {"a": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    )
    with run_listener(tmp_path, config, port, *options) as process:
        yield process


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the listener does not listen")


def post(port: int, message: Any, session: str | None = None, **headers: str) -> tuple[int, Any, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    head = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers}
    if session is not None:
        head["Mcp-Session-Id"] = session
    connection.request("POST", "/mcp", json.dumps(message), head)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    given = answer.headers.get("mcp-session-id")
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        events = [line[6:] for line in body.splitlines() if line.startswith("data: ") and len(line) > 6]
        return answer.status, json.loads(events[-1]), given
    return answer.status, json.loads(body) if body else None, given


def request(id: int, method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def test_a_session_goes_on_after_the_listener_was_restarted(tmp_path: Path) -> None:
    """The client never initializes again, and never learns of it."""
    port = free_port()
    with listener(tmp_path, port):
        status, answer, session = post(port, request(1, "initialize", HELLO))
        assert status == 200
        assert session is not None
        assert answer["result"]["serverInfo"]["name"] == "callmux"
    with listener(tmp_path, port):
        status, answer, _ = post(port, request(2, "tools/list", {}), session)
        assert status == 200
        assert "callmux_parallel" in {tool["name"] for tool in answer["result"]["tools"]}


def test_the_port_opens_before_the_servers_are_up(tmp_path: Path) -> None:
    """A server that hangs at its start holds nobody up. Weak spot L38 of callmux (npm)."""
    port, hangs = free_port(), [sys.executable, "-c", "import time; time.sleep(600)"]
    config = write_config(tmp_path / "c.json", {"a": stdio(hangs)}, connectTimeoutMs=600_000)
    with run_listener(tmp_path, config, port):
        status, answer, _ = post(port, request(1, "initialize", HELLO))
        assert status == 200
        assert answer["result"]["serverInfo"]["name"] == "callmux"


def test_where_it_is_not_safe_to_listen_no_server_is_started(tmp_path: Path) -> None:
    """Weak spot L38 of callmux (npm)."""
    started = tmp_path / "started"
    config = write_config(tmp_path / "c.json", {"a": stdio(["/bin/sh", "-c", f"touch {started}; cat"])})
    words = [sys.executable, "-m", "callmux", "--config", str(config), "--listen", str(free_port())]
    ended = subprocess.run([*words, "--host", "0.0.0.0"], capture_output=True, timeout=SECONDS, check=False)
    assert ended.returncode == 1
    assert b"Refusing insecure remote listener" in ended.stderr
    assert not started.exists()


def test_ids_that_nobody_gave_and_ended_sessions_are_unknown(tmp_path: Path) -> None:
    port = free_port()
    with listener(tmp_path, port):
        assert post(port, request(1, "ping", {}), "made-up")[0] == 404
        _, _, session = post(port, request(1, "initialize", HELLO))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request("DELETE", "/mcp", headers={"Mcp-Session-Id": session or ""})
        assert connection.getresponse().status == 200
        connection.close()
        assert post(port, request(2, "ping", {}), session)[0] == 404
    with listener(tmp_path, port):
        assert post(port, request(3, "ping", {}), session)[0] == 404


def test_web_pages_and_other_names_are_refused(tmp_path: Path) -> None:
    """Weak spot L24 of callmux (npm)."""
    port = free_port()
    with listener(tmp_path, port):
        assert post(port, request(1, "initialize", HELLO), Host="evil.example")[0] == 403
        assert post(port, request(1, "initialize", HELLO), Origin="http://evil.example")[0] == 403
        assert post(port, request(1, "initialize", HELLO), Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_a_malformed_request_ends_nothing(tmp_path: Path) -> None:
    """Weak spot L1 of callmux (npm)."""
    port = free_port()
    with listener(tmp_path, port) as process:
        for line in (
            b"GET // HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET http://[bad HTTP/1.1\r\nHost: a b\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
                raw.sendall(line)
                raw.recv(100)
        assert process.poll() is None
        assert post(port, request(1, "initialize", HELLO))[0] == 200


def test_changes_that_cannot_be_read_keep_it_from_listening(tmp_path: Path) -> None:
    """Those of the management interface: without them, servers would come back that somebody removed."""
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"servers": {}, "management": {"enabled": True}}))
    (tmp_path / "c.json.management.json").write_text('{"version": 2}')
    words = [sys.executable, "-m", "callmux", "--config", str(config), "--listen", str(free_port())]
    done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 1
    assert b"c.json.management.json: must be an object with version 1" in done.stderr
    done = subprocess.run([*words[:-1], "99999"], capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
