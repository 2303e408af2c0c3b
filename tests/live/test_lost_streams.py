"""A client without a handshake loses a stream: a read goes on, a write is not made twice unaware."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS, eventually, free_port

from .harness import error_of
from .modern import META, asked, heads
from .test_listener import request, run_listener
from .test_shutdown import ledger_config, until_begun


def of_call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The params of a call of a client that says who it is."""
    about = {**META, "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}}
    return {"name": tool, "arguments": arguments, "_meta": about}


def called(port: int, id: int, tool: str, arguments: dict[str, Any]) -> Any:
    status, answer = asked(port, "tools/call", of_call(tool, arguments), id)
    assert status == 200, answer
    return answer["result"]


def sent(port: int, id: int, tool: str, arguments: dict[str, Any]) -> socket.socket:
    """A call whose answer nobody has read yet."""
    params = of_call(tool, arguments)
    body = json.dumps(request(id, "tools/call", params)).encode()
    head = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "Content-Length": str(len(body)),
        **heads("tools/call", params),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    way = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    way.sendall(f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode() + body)
    return way


def begun(tmp_path: Path, token: str) -> int:
    """How often a call began."""
    return (tmp_path / "ledger").read_text().count(f"begin {token} ")


def running(port: int) -> str:
    """What status shows of the calls that run."""
    status = called(port, 9, "callmux_status", {"sessions": True})["structuredContent"]
    return json.dumps(status["listener"]["activeToolCalls"])


WRITE = {"token": "w", "ms": 700}
CALLS = [{"tool": "slow_read", "arguments": {"token": "r", "ms": 700}}]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("slow_read", {"token": "r", "ms": 700}),
        ("callmux_parallel", {"calls": CALLS}),
    ],
)
def test_a_read_is_made_once_however_often_its_stream_breaks(
    tool: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port):
        for id in (1, 2):
            way = sent(port, id, tool, arguments)
            until_begun(tmp_path, "r")
            way.close()
        result = called(port, 3, tool, arguments)
        assert not result.get("isError"), result
    assert begun(tmp_path, "r") == 1


def test_a_write_whose_stream_broke_is_not_made_again_unaware(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port):
        way = sent(port, 1, "slow", WRITE)
        until_begun(tmp_path, "w")
        way.close()
        # The listener hears of the end of a connection a moment later.
        eventually(lambda: "slow" not in running(port), "the call to be given up")
        error = error_of(called(port, 3, "slow", WRITE))
        assert error["code"] == "tool_call_failed"
        assert (error["details"]["executionState"], error["details"]["safeToRetry"]) == ("unknown", False)
        assert begun(tmp_path, "w") == 1
        assert not called(port, 4, "slow", {**WRITE, "ms": 0}).get("isError"), "these are other arguments"
        assert not called(port, 5, "slow", WRITE).get("isError"), "whoever knows may call"
    assert begun(tmp_path, "w") == 3
