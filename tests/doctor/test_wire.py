"""One HTTP exchange, with servers that behave and servers that do not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from callmux.bridge.endpoint import read_endpoint
from callmux.doctor.listener import Unanswered
from callmux.doctor.wire import Wire
from tests.support import SECONDS


@contextmanager
def speaking(*pieces: bytes, silent: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says this to one request, and then stays silent or leaves."""
    heard: list[bytes] = []
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    part = connection.recv(65536)
                    if not part:
                        return
                    data += part
                heard.append(data)
                for piece in pieces:
                    connection.sendall(piece)
                if silent:
                    # For longer than anybody waits: who waits for the end of the stream is given up.
                    over.wait(2 * SECONDS)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/mcp", heard
        finally:
            over.set()
            thread.join(20)


def wire(url: str, seconds: float = SECONDS) -> Wire:
    return Wire(read_endpoint(url), seconds)


def test_an_answer_with_its_headers() -> None:
    with speaking(b"HTTP/1.1 201 Made\r\nX-Some: 1\r\nContent-Length: 4\r\n\r\n", b'{"a"') as (url, heard):
        answer = wire(url)("GET", "/health", {"X-Mine": "ä"})
    assert (answer.status, answer.headers["x-some"], answer.body, answer.json) == (201, "1", b'{"a"', '{"a"')
    assert heard[0].startswith(b"GET /health HTTP/1.1\r\n")
    assert "X-Mine: ä".encode() in heard[0]


def test_the_awaited_message_of_a_stream_that_never_ends() -> None:
    """Whatever comes before it."""
    events = [
        b'data: {"jsonrpc":"2.0","method":"notifications/x"}\n\n',
        b"data: nonsense\n\n",
        b'data: {"jsonrpc":"2.0","id":1,"method":"ping"}\n\n',
        b'data: {"jsonrpc":"2.0","id":1,\ndata: "result":{}}\n\n',
    ]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"
    with speaking(head, *events, silent=True) as (url, _):
        answer = wire(url)("POST", "/mcp", {}, {"jsonrpc": "2.0", "id": 1, "method": "initialize"})
    assert answer.json == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize(
    "pieces",
    [[], [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"abc"], [b"HTTP/1.1 200 OK\r\nX-"]],
)
def test_a_server_that_hangs_is_given_up(pieces: list[bytes]) -> None:
    late = pytest.raises(Unanswered, match=r"no answer within 0\.2 s")
    with speaking(*pieces, silent=True) as (url, _), late:
        wire(url, 0.2)("GET", "/", {})


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unanswered, match=r"nothing listens at .*callmux --listen"):
        wire(f"http://127.0.0.1:{port}/mcp")("GET", "/", {})


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(Unanswered, match="correct --url"):
        wire("http://no-such-host.invalid/mcp", 2)("GET", "/", {})


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ([b"SSH-2.0-OpenSSH_9\r\n\r\n"], "does not speak HTTP"),
        ([], "without an answer"),
    ],
)
def test_something_else_listens(pieces: list[bytes], message: str) -> None:
    with speaking(*pieces) as (url, _), pytest.raises(Unanswered, match=message):
        wire(url)("GET", "/", {})


def test_no_tls_where_https_is_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unanswered, match="try http:// in --url"):
            wire(f"https://127.0.0.1:{server.getsockname()[1]}/mcp")("GET", "/", {})
        thread.join(20)


@pytest.mark.parametrize("location", ["/there?a=%2F", "/here"])
def test_a_redirect_within_the_origin_is_followed_and_no_circle(location: str) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            moved = self.path != "/there?a=%2F"
            self.send_response(307 if moved else 200)
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            there = wire(f"http://127.0.0.1:{server.server_port}/mcp")
            answer = there("POST", "/mcp", {}, {"id": 1})
        finally:
            server.shutdown()
            thread.join(20)
    assert answer.status == (200 if location.startswith("/there") else 307)
    assert asked == (["/mcp", "/there?a=%2F"] if answer.status == 200 else ["/mcp", "/here"])
