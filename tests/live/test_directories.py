"""A real listener: calls run where their client works and with its credentials, and nothing crosses."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.live.harness import python_server, stdio, write_config
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.support import free_port

WHERE = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                  "serverInfo": {"name": "where", "version": "1"}}
    elif asked["method"] == "tools/list":
        result = {"tools": [{"name": "where", "inputSchema": {"type": "object"}}]}
    elif asked["method"] == "tools/call":
        result = {"content": [{"type": "text", "text": json.dumps([os.getcwd(), os.getpid()])}]}
    else:
        result = None
    end = {"error": {"code": -32601, "message": "Method not found"}} if result is None else {"result": result}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **end}), flush=True)
"""
TOOLS = [
    {"name": "whoami", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
    {"name": "large", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}},
]
OTHER = "Bearer of-nobody"


class Mirror(BaseHTTPRequestHandler):
    """A server at a URL whose tools tell the credentials they were called with."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        who = self.headers.get("Authorization", "nobody")
        if "id" not in asked:
            self._send(202, b"")
            return
        if asked["method"] == "initialize":
            about = {"name": "mirror", "version": "1"}
            result: Any = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": about,
            }
        elif asked["method"] == "tools/list":
            result = {"tools": TOOLS}
        elif asked["method"] == "tools/call":
            text = who if asked["params"]["name"] == "whoami" else json.dumps([who] * 20_000)
            result = {"content": [{"type": "text", "text": text}]}
        else:
            self._answer(asked["id"], error={"code": -32601, "message": "Method not found"})
            return
        self._answer(asked["id"], result=result)

    def do_GET(self) -> None:
        self._send(405, b"")

    do_DELETE = do_GET

    def _answer(self, id: Any, **end: Any) -> None:
        self._send(200, json.dumps({"jsonrpc": "2.0", "id": id, **end}).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing of it belongs into the output."""


class Quiet(ThreadingHTTPServer):
    """Does not mind that callmux, when it ends, closes connections it does not need any more."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        assert isinstance(sys.exc_info()[1], ConnectionError)


@contextmanager
def mirror() -> Iterator[str]:
    server = Quiet(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def greeted(port: int, capabilities: Any = None, **headers: str) -> str:
    """A session, and its id."""
    hello = {**HELLO, "capabilities": capabilities or {}}
    status, _, session = post(port, request(1, "initialize", hello), None, **headers)
    assert status == 200
    assert session is not None
    return session


def called(port: int, session: str, tool: str, arguments: Any = None, id: Any = 2, **headers: str) -> Any:
    """The result of a call."""
    params = {"name": tool, "arguments": arguments or {}}
    status, answer, _ = post(port, request(id, "tools/call", params), session, **headers)
    assert status == 200
    return answer["result"]


def text(result: Any) -> str:
    return str(result["content"][0]["text"])


def test_credentials_of_interleaved_requests_never_cross(tmp_path: Path) -> None:
    """Two tokens in two sessions and in one: with a cache, shared reads, and hundreds of calls at a time.

    Weak spot L25 of callmux (npm).
    """
    port = free_port()
    with mirror() as url:
        entry = {"url": url, "headers": {"authorization": OTHER}, "forwardHeaders": ["Authorization"]}
        config = write_config(tmp_path / "c.json", {"m": entry}, cacheTtlSeconds=60)
        with run_listener(tmp_path, config, port):
            sessions = [greeted(port), greeted(port)]
            tokens = ["Bearer ann", "Bearer bob", None]

            def ask(n: int) -> tuple[str, str]:
                token = tokens[n % 3]
                headers = {} if token is None else {"Authorization": token}
                answer = called(port, sessions[n % 2], "whoami", {"n": n % 4}, id=100 + n, **headers)
                return token or OTHER, text(answer)

            with ThreadPoolExecutor(8) as threads:
                for wanted, got in threads.map(ask, range(240)):
                    assert got == wanted
            status = called(
                port, sessions[0], "callmux_status", {"sessions": True}, Authorization="Bearer ann"
            )
            assert "Bearer" not in json.dumps(status)


def test_a_large_result_belongs_to_the_credentials_it_came_with(tmp_path: Path) -> None:
    port = free_port()
    with mirror() as url:
        config = write_config(tmp_path / "c.json", {"m": {"url": url, "forwardHeaders": ["authorization"]}})
        with run_listener(tmp_path, config, port):
            one, other = greeted(port), greeted(port)
            short = called(port, one, "large", Authorization="Bearer ann")
            ref = short["_meta"]["callmux/shielded"]["ref"] if "_meta" in short else None
            ref = ref or json.loads(text(short))["_callmux"]["ref"]
            page = {"ref": ref, "limit": 1}
            assert "Bearer ann" in json.dumps(
                called(port, other, "callmux_get_result", page, Authorization="Bearer ann")
            )
            for headers in ({"Authorization": "Bearer bob"}, {}):
                refused = called(port, one, "callmux_get_result", page, **headers)
                assert refused["isError"]
                assert "ann" not in json.dumps(refused)


def test_each_directory_has_its_process_and_a_name_in_utf_8_is_one(tmp_path: Path) -> None:
    port, names = free_port(), ["plain", "Übung 日本"]
    for name in names:
        (tmp_path / name).mkdir()
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    config = write_config(tmp_path / "c.json", {"w": stdio(python_server(str(script)))})
    with run_listener(tmp_path, config, port):
        session = greeted(port)
        seen = []
        for name in [*names, *names]:
            header = str(tmp_path / name).encode().decode("latin-1")
            seen.append(json.loads(text(called(port, session, "where", **{"x-callmux-cwd": header}))))
        assert [Path(cwd) for cwd, _ in seen] == [tmp_path / name for name in [*names, *names]]
        assert seen[:2] == seen[2:]
        assert seen[0][1] != seen[1][1]
        status = json.loads(text(called(port, session, "callmux_status", {"sessions": True})))
        lanes = status["listener"]["scopedStdioClients"]
        assert (lanes["total"], lanes["byServer"]) == (2, {"w": 2})
        assert {item["cwd"] for item in lanes["items"]} == {str(tmp_path / name) for name in names}
        assert all(item["idle"] and item["activeCalls"] == 0 for item in lanes["items"])
        assert "unresolvedSessionCwd" not in status["listener"]
        (active,) = status["listener"]["activeToolCalls"]
        assert (active["tool"], active["cwd"]) == ("callmux_status", str(tmp_path / names[1]))
        called(port, greeted(port), "where")
        status = json.loads(text(called(port, session, "callmux_status", {"sessions": True})))
        assert status["listener"]["unresolvedSessionCwd"] == {"w": 1}


def test_a_directory_that_is_not_there_is_named_and_nothing_has_begun(tmp_path: Path) -> None:
    """Weak spot L42 of callmux (npm)."""
    port = free_port()
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    config = write_config(tmp_path / "c.json", {"w": stdio(python_server(str(script)))})
    with run_listener(tmp_path, config, port):
        result = called(port, greeted(port), "where", **{"x-callmux-cwd": str(tmp_path / "gone")})
        error = result["structuredContent"]["error"]
        assert error["code"] == "tool_call_failed"
        assert str(tmp_path / "gone") in error["message"]
        assert error["details"]["executionState"] == "not_started"
        assert error["details"]["safeToRetry"] is True


def test_six_sessions_of_one_agent_with_five_global_servers_are_five_processes(tmp_path: Path) -> None:
    port = free_port()
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    entry = {**stdio(python_server(str(script))), "cwdMode": "global", "cwd": str(tmp_path)}
    names = [f"s{n}" for n in range(5)]
    config = write_config(tmp_path / "c.json", dict.fromkeys(names, entry))
    with run_listener(tmp_path, config, port):
        declared = {"roots": {"listChanged": True}, "elicitation": {}}
        pids: dict[str, set[int]] = {name: set() for name in names}
        for n in range(6):
            session = greeted(port, declared, **{"x-callmux-cwd": str(tmp_path / str(n))})
            for name in names:
                pids[name].add(json.loads(text(called(port, session, f"{name}__where")))[1])
        assert [len(found) for found in pids.values()] == [1] * 5
        running = {pid for found in pids.values() for pid in found}
        assert len(running) == 5
        for pid in running:
            os.kill(pid, 0)
