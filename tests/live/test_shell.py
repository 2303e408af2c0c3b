"""The shell's commands as processes, with a listener that runs, and with a server of the official SDK."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.live.test_listener import await_port, listener
from tests.support import SECONDS, free_port


def callmux(tmp_path: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "CALLMUX_TOKEN"}
    env["HOME"] = str(tmp_path)
    words = [sys.executable, "-m", "callmux", *args]
    return subprocess.run(
        words, env=env, input=stdin, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path
    )


def test_the_tools_of_a_listener_are_called_from_a_shell(tmp_path: Path) -> None:
    port = free_port()
    url = ("--url", f"http://127.0.0.1:{port}")
    with listener(tmp_path, port):
        listed = callmux(tmp_path, "tools", "list", "--json", *url)
        assert listed.returncode == 0, listed.stderr
        names = [tool["name"] for tool in json.loads(listed.stdout)["tools"]]
        assert "callmux_parallel" in names
        status = callmux(tmp_path, "call", "callmux_status", "-", "--field", "status", *url, stdin="{}")
        assert (status.returncode, status.stdout) == (0, '"ok"\n')
        # A file is sent as it stands, and what goes on to the server is one line all the same.
        lines = callmux(tmp_path, "call", "read", "-", *url, stdin='{\n  "token": "t1"\n}\n')
        assert (lines.returncode, lines.stderr) == (0, "")
        several = callmux(tmp_path, "parallel", "callmux_status", "no_such", *url)
        assert several.returncode == 1
        assert json.loads(several.stdout)["failedIndexes"] == [0, 1]
        unknown = callmux(tmp_path, "call", "no_such", *url)
        assert (unknown.returncode, json.loads(unknown.stdout)["error"]["code"]) == (1, "tool_not_found")
    gone = callmux(tmp_path, "call", "callmux_status", *url)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert "failed to reach listener" in gone.stderr


def test_ctrl_c_ends_a_call_without_a_word(tmp_path: Path) -> None:
    port = free_port()
    with listener(tmp_path, port):
        words = [sys.executable, "-m", "callmux", "call", "slow", '{"token": "t", "ms": 3000}']
        env = {**os.environ, "HOME": str(tmp_path)}
        process = subprocess.Popen(
            [*words, "--url", f"http://127.0.0.1:{port}"],
            env=env,
            stdout=-1,
            stderr=-1,
            text=True,
            # As from a terminal: a shell starts what runs in the background with the signal ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        end = time.monotonic() + 20
        while "begin t" not in (ledger := read_ledger(tmp_path)) and time.monotonic() < end:
            time.sleep(0.02)
        assert "begin t" in ledger
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, out, err) == (130, "", "")


def read_ledger(tmp_path: Path) -> str:
    path = tmp_path / "l"
    return path.read_text() if path.exists() else ""


SDK_SERVER = """
import sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("sums")


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


server.run(transport="streamable-http", port=int(sys.argv[1]))
"""


def test_any_mcp_server_over_http_can_be_called(tmp_path: Path) -> None:
    """The SDK's insists on the whole handshake, and answers as event streams."""
    port = free_port()
    url = ("--url", f"http://127.0.0.1:{port}")
    server = subprocess.Popen([sys.executable, "-c", SDK_SERVER, str(port)], stderr=subprocess.DEVNULL)
    try:
        await_port(port, server)
        done = callmux(tmp_path, "call", "add", '{"a": 1, "b": 2}', "--field", "result", *url)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
        schema = callmux(tmp_path, "tools", "schema", "add", "--json", *url)
        assert json.loads(schema.stdout)["inputSchema"]["required"] == ["a", "b"]
    finally:
        server.terminate()
        server.wait(20)
