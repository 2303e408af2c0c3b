"""Calls whose way to the listener, or from it, breaks under them. Numbers are those of the notes."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support import SECONDS, eventually, free_port

from .harness import callmux, error_of, run, text_of, until, write_config
from .test_listener import post, request, run_listener
from .test_shutdown import HEAD, greeted, ledger_config, until_begun


def begun(tmp_path: Path, token: str) -> int:
    """How often a call began."""
    return (tmp_path / "ledger").read_text().count(f"begin {token} ")


def call(id: int, tool: str, **arguments: Any) -> dict[str, Any]:
    return request(id, "tools/call", {"name": tool, "arguments": arguments})


def test_a_session_that_a_server_forgot_is_begun_anew_and_the_write_runs_once(
    tmp_path: Path,
) -> None:
    """The server is another listener; restarted without its key, it answers 404 with a JSON-RPC body.

    Weak spot L5 of callmux (npm).
    """
    back, front = free_port(), free_port()
    behind = ledger_config(tmp_path)
    before = tmp_path / "front"
    before.mkdir()
    far = {"far": {"url": f"http://127.0.0.1:{back}/mcp"}}
    # Where the next one takes long to come, the front has noticed the loss already: its call waits then.
    patient = {"fastFailDuringBackoff": False}
    config = write_config(before / "callmux.json", far, reconnectPolicy=patient)
    with contextlib.ExitStack() as stack:
        with run_listener(tmp_path, behind, back):
            stack.enter_context(run_listener(before, config, front))
            caller = stack.enter_context(greeted(front))
            assert post(front, call(1, "write", token="one"), caller.session)[0] == 200
        elsewhere = {"XDG_STATE_HOME": str(tmp_path / "another-state")}
        stack.enter_context(run_listener(tmp_path, behind, back, env=elsewhere))
        _, answer, _ = post(front, call(2, "write", token="two"), caller.session)
        assert not answer["result"].get("isError"), answer
    assert [begun(tmp_path, "one"), begun(tmp_path, "two")] == [1, 1]


def test_a_listener_that_dies_under_a_call_is_noticed_at_once(tmp_path: Path) -> None:
    """A read is sent again to the listener that follows; a write is not, its outcome is called unknown.

    Weak spot L6 of callmux (npm).
    """
    port = free_port()
    config = ledger_config(tmp_path)
    url = f"http://127.0.0.1:{port}/mcp"

    async def story(process: subprocess.Popen[bytes], stack: contextlib.ExitStack) -> None:
        async with callmux(tmp_path, "bridge", "--url", url) as client:
            await client.initialize()
            await client.tools()
            read = client.send("tools/call", {"name": "slow_read", "arguments": {"token": "read", "ms": 600}})
            write = client.send("tools/call", {"name": "slow", "arguments": {"token": "write", "ms": 600}})
            await until("both to begin", lambda: begun(tmp_path, "read") and begun(tmp_path, "write"))
            process.kill()
            process.wait()
            stack.enter_context(run_listener(tmp_path, config, port))
            assert "read" in text_of((await read)["result"])
            error = error_of((await write)["result"])
            assert error["details"]["executionState"] == "unknown", error
            assert begun(tmp_path, "read") == 2

    with contextlib.ExitStack() as stack, run_listener(tmp_path, config, port) as process:
        run(story(process, stack))
    assert begun(tmp_path, "write") == 1


def test_a_lost_connection_is_no_cancellation_and_the_answer_can_be_fetched(
    tmp_path: Path,
) -> None:
    """Weak spot L9 of callmux (npm)."""
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port), greeted(port) as caller:
        lost = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        head = {**HEAD, "Mcp-Session-Id": caller.session or ""}
        lost.request("POST", "/mcp", json.dumps(call(7, "slow", token="lost", ms=400)), head)
        until_begun(tmp_path, "lost")
        lost.close()
        eventually(lambda: "done lost " in (tmp_path / "ledger").read_text(), "the call to finish")
        again = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        with contextlib.closing(again):
            more = {"Accept": "text/event-stream", "Last-Event-ID": "r7_0"}
            again.request("GET", "/mcp", headers={**head, **more})
            answer = again.getresponse().read()
        assert b'"id":7' in answer
        assert b"lost" in answer
    assert begun(tmp_path, "lost") == 1
