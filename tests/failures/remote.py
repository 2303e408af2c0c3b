"""A server at a URL that forgets sessions, wants another token, or answers nonsense, when it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.live.harness import Json


class Remote(ThreadingHTTPServer):
    """The server.

    Attributes:
        token: The only one that it takes; None for any.
        forgets: It knows no session with a call.
        babbles: It answers a call with what is no JSON.
    """

    token: str | None = None
    forgets = False
    babbles = False
    sessions = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/mcp"


@contextmanager
def remote() -> Iterator[Remote]:
    with Remote(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(20)


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Remote

    def do_POST(self) -> None:
        asked: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server, method = self.server, asked.get("method")
        if server.token is not None and self.headers.get("Authorization") != f"Bearer {server.token}":
            self._send(401, {"error": "that token is no good"}, {"WWW-Authenticate": "Bearer"})
        elif "id" not in asked:
            self._send(202)
        elif method == "initialize":
            server.sessions += 1
            about = {"name": "remote", "version": "1"}
            result: Any = {
                "protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}},
                "serverInfo": about,
            }
            self._answer(asked, result, {"Mcp-Session-Id": f"s{server.sessions}"})
        elif method == "tools/list":
            self._answer(asked, {"tools": [{"name": "x", "inputSchema": {"type": "object"}}]})
        elif server.babbles and method == "tools/call":
            self._send(200, "no answer")
        elif server.forgets and method == "tools/call":
            self._send(404, {"error": "session not found"})
        else:
            self._answer(asked, {"content": [{"type": "text", "text": "done"}]})

    def do_GET(self) -> None:
        self._send(405)

    do_DELETE = do_GET

    def _answer(self, asked: Json, result: Any, headers: dict[str, str] | None = None) -> None:
        self._send(200, {"jsonrpc": "2.0", "id": asked["id"], "result": result}, headers)

    def _send(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
