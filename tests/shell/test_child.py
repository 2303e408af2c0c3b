"""`callmux.shell.child`: a session with a callmux that is started for it, and ends with it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from callmux.shell.child import ChildConversation
from callmux.shell.failure import ShellFailed
from callmux.shell.message import call_params
from tests.support import eventually

NOTES = ["--", sys.executable, "-m", "callmux.demo.servers.notes"]

ASKS = """
import json, sys
def out(message): print(json.dumps(message), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message: continue
    if message["method"] == "initialize":
        out({"jsonrpc": "2.0", "id": message["id"], "result": {"protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}}, "serverInfo": {"name": "asks", "version": "1"}}})
    elif message["method"] == "tools/list":
        out({"jsonrpc": "2.0", "id": message["id"], "result": {"tools": [{"name": "ask", "inputSchema":
            {"type": "object"}}, {"name": "end", "inputSchema": {"type": "object"}}]}})
    elif message["params"]["name"] == "ask":
        out({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {"message": "?",
            "requestedSchema": {"type": "object", "properties": {}}}})
        answer = json.loads(sys.stdin.readline())
        out({"jsonrpc": "2.0", "id": message["id"], "result": {"content": [{"type": "text", "text":
            "refused" if "error" in answer else "answered"}]}})
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_requests_are_answered_and_nothing_is_left_running(tmp_path: Path) -> None:
    # Other tests may have left a server that serves them all.
    before = psutil.Process().children(recursive=True)
    with ChildConversation(NOTES, str(tmp_path), 60) as child:
        tools = child.ask("tools/list", "{}")["tools"]
        result = child.ask("tools/call", call_params("list_notes", "{}"))
        running = [one for one in psutil.Process().children(recursive=True) if one not in before]
    assert "list_notes" in [tool["name"] for tool in tools]
    assert json.loads(result["content"][0]["text"]) == {"notes": []}
    assert running
    eventually(lambda: not any(one.is_running() for one in running), "the end of the servers")


def test_a_question_of_the_server_is_refused_and_the_call_goes_on(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(ASKS)
    with ChildConversation(["--", sys.executable, str(script)], str(tmp_path), 60) as child:
        result = child.ask("tools/call", call_params("ask", "{}"))
    assert result["content"][0]["text"] == "refused"


def test_a_server_that_does_not_start_is_named_with_its_reason(tmp_path: Path) -> None:
    with (
        ChildConversation(["--strict-startup", "--", "no-such-program"], str(tmp_path), 60) as child,
        pytest.raises(ShellFailed, match="no-such-program"),
    ):
        child.ask("tools/list", "{}")


def test_a_command_line_that_callmux_refuses_is_told(tmp_path: Path) -> None:
    with (
        ChildConversation(["--config", str(tmp_path / "none.json")], str(tmp_path), 60) as child,
        pytest.raises(ShellFailed, match="none\\.json"),
    ):
        child.ask("tools/list", "{}")


def test_the_time_is_bounded(tmp_path: Path) -> None:
    silent = ["--", sys.executable, "-c", "import time; time.sleep(600)"]
    with (
        ChildConversation(silent, str(tmp_path), 0.01) as child,
        pytest.raises(ShellFailed, match=r"--call-timeout"),
    ):
        child.ask("tools/list", "{}")
    assert child._child.poll() is not None


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShellFailed, match="gone"):
        ChildConversation(NOTES, str(tmp_path / "gone"))


def test_the_log_goes_to_stderr_on_request(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noisy = ["--", sys.executable, "-c", "import sys; print('hello from here', file=sys.stderr)"]
    for verbose in (False, True):
        with ChildConversation(noisy, os.fspath(tmp_path), 60, verbose) as child:
            assert child.ask("tools/call", call_params("x", "{}"))["isError"] is True
        assert ("hello from here" in capfd.readouterr().err) is verbose
