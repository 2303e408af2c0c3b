"""Whoever starts callmux may never read its stderr, or stop to read its stdout: everything else goes on.

A pipe takes 64 KB. The server here writes far more than that to its own stderr, which callmux shows on its.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, eventually, free_port

from .harness import stdio, write_config
from .test_listener import HELLO, request

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")

SERVER = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    method, id = m.get("method"), m.get("id")
    if method == "initialize":
        about = {"name": "s", "version": "1"}
        r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": about}
    elif method == "tools/list":
        names = ("complain", "echo", "noise")
        r = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in names]}
    elif method == "tools/call":
        if m["params"]["name"] == "complain":
            sys.stderr.write(("e" * 200 + "\\n") * 20_000)
            sys.stderr.flush()
        elif m["params"]["name"] == "noise":
            sys.stdout.write("log\\n" * 50_000 + "[" * 2_000_000 + "\\n" + "{" * 100_000 + "\\n")
        r = {"content": [{"type": "text", "text": "done"}]}
    elif id is None:
        continue
    else:
        r = {}
    print(json.dumps({"jsonrpc": "2.0", "id": id, "result": r}), flush=True)
"""


def config(tmp_path: Path, **more: Any) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    entry = stdio([sys.executable, "-I", str(tmp_path / "server.py")], cwdMode="global")
    return write_config(tmp_path / "callmux.json", {"a": entry, "b": entry}, **more)


def env(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


@contextlib.contextmanager
def started(tmp_path: Path, *args: str | Path, unread: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """callmux with a stderr that is open and never read."""
    source, sink = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "callmux", *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sink if unread else subprocess.DEVNULL,
        env=env(tmp_path),
    )
    os.close(sink)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        os.close(source)


def asks(process: subprocess.Popen[bytes], *messages: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"".join(json.dumps(m).encode() + b"\n" for m in messages))
    process.stdin.flush()


def hears(process: subprocess.Popen[bytes], id: int) -> dict[str, Any]:
    """The answer to a request."""
    assert process.stdout is not None
    for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if message.get("id") == id and "method" not in message:
            return message
    raise AssertionError(f"the output ended before the answer to {id}")


def call(id: int, name: str) -> dict[str, Any]:
    return request(id, "tools/call", {"name": name, "arguments": {}})


def greeted(process: subprocess.Popen[bytes]) -> None:
    asks(process, request(0, "initialize", HELLO), {"jsonrpc": "2.0", "method": "notifications/initialized"})
    hears(process, 0)


@pytest.mark.parametrize("end", ["eof", "term"])
def test_on_stdio_calls_and_the_end_work_with_an_unread_stderr(tmp_path: Path, end: str) -> None:
    with started(tmp_path, "--config", config(tmp_path)) as process:
        greeted(process)
        for id, name in (
            (1, "a__complain"),
            (2, "b__echo"),
            (3, "a__complain"),
            (4, "a__noise"),
            (5, "b__echo"),
        ):
            asks(process, call(id, name))
            assert hears(process, id)["result"]["content"][0]["text"] == "done"
        assert process.stdin is not None
        if end == "eof":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_a_failed_start_ends_with_an_unread_stderr(tmp_path: Path) -> None:
    """Its last words have no reader either."""
    (tmp_path / "bad.py").write_text(
        "import sys; sys.stderr.write('x' * 100 + '\\n'); sys.stderr.write('y\\n' * 100000)"
    )
    bad = stdio([sys.executable, "-I", str(tmp_path / "bad.py")])
    path = write_config(tmp_path / "callmux.json", {"a": bad}, strictStartup=True)
    with started(tmp_path, "--config", path) as process:
        asks(process, request(0, "initialize", HELLO))
        assert process.wait(30) == 1


def posts(port: int, message: Any, session: str | None = None) -> tuple[str | None, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    with contextlib.closing(connection):
        head = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request(
            "POST", "/mcp", json.dumps(message), head | ({"Mcp-Session-Id": session} if session else {})
        )
        answer = connection.getresponse()
        body = answer.read()
        return answer.headers["mcp-session-id"], json.loads(body) if body else {}


def listens(process: subprocess.Popen[bytes], port: int) -> None:
    def is_there() -> bool:
        assert process.poll() is None
        try:
            with socket.create_connection(("127.0.0.1", port), 5):
                return True
        except OSError:
            return False

    eventually(is_there, "the port")


def test_a_listener_and_a_bridge_work_with_an_unread_stderr(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    with (
        started(tmp_path, "--config", config(tmp_path), "--listen", str(port)) as listener,
        started(tmp_path, "bridge", "--url", url) as bridge,
    ):
        listens(listener, port)
        session, _ = posts(port, request(0, "initialize", HELLO))
        for id, name in ((1, "a__complain"), (2, "b__echo"), (3, "a__complain"), (4, "a__echo")):
            _, answer = posts(port, call(id, name), session)
            assert answer["result"]["content"][0]["text"] == "done"
        greeted(bridge)
        asks(bridge, call(1, "a__complain"), call(2, "b__echo"))
        assert hears(bridge, 2)["result"]["content"][0]["text"] == "done"
        listener.send_signal(signal.SIGTERM)
        assert listener.wait(20) == 0
        assert bridge.stdin is not None
        bridge.stdin.close()
        assert bridge.wait(20) == 0


@pytest.mark.parametrize("end", ["term", "eof"])
def test_a_client_that_never_reads_can_end_us(tmp_path: Path, end: str) -> None:
    """What it asked for piles up in its pipe."""
    with started(tmp_path, "--config", config(tmp_path), unread=False) as process:
        asks(process, request(0, "initialize", HELLO), *(request(n, "tools/list", {}) for n in range(1, 400)))
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        if end == "eof":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
