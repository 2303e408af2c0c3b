"""A listener that answers as it is told, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

JSON, EVENTS = "application/json", "text/event-stream"


class Reply(NamedTuple):
    """What goes back.

    Attributes:
        body: As it stands.
        status: The HTTP status.
        kind: The content type.
        length: The Content-Length that is promised; None for the real one, -1 for none.
        session: The session id in its head.
        location: Where it sends the request on.
        wait: Nothing is sent before this is set.
    """

    body: bytes
    status: int = 200
    kind: str = JSON
    length: int | None = None
    session: str | None = None
    location: str | None = None
    wait: threading.Event | None = None


class Seen(NamedTuple):
    """A request that came: its headers in lower case, its message."""

    verb: str
    path: str
    headers: dict[str, str]
    message: Any


def result(value: Any, id: Any = 2) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id, "result": value}).encode()


def text_result(text: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], **more}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has left is what some tests are about."""


class FakeListener:
    """Greets, gives a session, and answers everything else by `replies`.

    Attributes:
        url: Its origin.
        replies: By method; a function gets the message. `DELETE` is one, too.
        seen: Every request, in order.
    """

    def __init__(self) -> None:
        self.replies: dict[str, Reply | Callable[[Any], Reply]] = {
            "initialize": Reply(result({"protocolVersion": "2025-11-25"}, 1), session="s1"),
            "notifications/initialized": Reply(b"", 202),
            "DELETE": Reply(b""),
        }
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def methods(self) -> list[str]:
        return [s.message["method"] if s.message else s.verb for s in self.seen]

    def answers(self, value: Any) -> None:
        """`tools/call` gives `value`."""
        self.replies["tools/call"] = Reply(result(value))

    def lists(self, tools: list[dict[str, Any]]) -> None:
        self.replies["tools/list"] = Reply(result({"tools": tools}))

    @contextmanager
    def running(self) -> Iterator[FakeListener]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self._answer(json.loads(body))

            def do_DELETE(self) -> None:
                self._answer(None)

            def _answer(self, message: Any) -> None:
                heads = {name.lower(): value for name, value in self.headers.items()}
                fake.seen.append(Seen(self.command, self.path, heads, message))
                reply = fake.replies[message["method"] if message else self.command]
                if not isinstance(reply, Reply):
                    reply = reply(message)
                if reply.wait is not None:
                    reply.wait.wait(10)
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                if reply.session is not None:
                    self.send_header("Mcp-Session-Id", reply.session)
                if reply.location is not None:
                    self.send_header("Location", reply.location)
                if reply.length != -1:
                    length = len(reply.body) if reply.length is None else reply.length
                    self.send_header("Content-Length", str(length))
                if reply.length is not None:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        return Handler


@contextmanager
def fake_listener() -> Iterator[FakeListener]:
    with FakeListener().running() as listener:
        yield listener
