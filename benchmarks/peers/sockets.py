"""A raw client over Streamable HTTP: as many connections as asked for, each with a session of its own.

Blocking sockets and `epoll`; a request is one write, and an answer is looked at only as far as its end needs.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections import deque
from urllib.parse import urlsplit

import orjson

from peers.client import ANSWER_SECONDS, GREETING, READY, Client, Failed, Flood, Params, Wrap, checked

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
_SESSION = re.compile(rb"\r\nmcp-session-id: *([^\r]+)", re.I)
_LAST = b"\r\n0\r\n\r\n"
REST_SECONDS = 1.0
"""Node.js closes a connection that rests for 5 s; a client then makes another one."""
ACCEPT = "application/json, text/event-stream"


class Lost(Failed):
    """A kept connection ended before a byte of the answer came."""


class Connection:
    """One connection and its session.

    Args:
        url: The endpoint.
        headers: What each request shows.

    Attributes:
        session: Its identifier, once it has one.
        waiting: An answer is due.
    """

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._at = urlsplit(url)
        self._headers = headers
        self._socket: socket.socket | None = None
        self._parts: list[bytes] = []
        self._have = self._need = 0
        self._chunked = False
        self._head = b""
        self._last = 0.0
        self._body = b""
        self._kept = self.waiting = False
        self._settle("")

    def _settle(self, session: str) -> None:
        lines = [
            f"POST {self._at.path} HTTP/1.1",
            f"Host: {self._at.netloc}",
            "Content-Type: application/json",
            f"Accept: {ACCEPT}",
            *[f"{name}: {value}" for name, value in self._headers.items()],
        ]
        if session:
            lines += [f"Mcp-Session-Id: {session}", "MCP-Protocol-Version: 2025-06-18"]
        self._start = ("\r\n".join(lines) + "\r\nContent-Length: ").encode()
        self.session = session

    @property
    def open(self) -> bool:
        return self._socket is not None

    def fileno(self) -> int:
        return self._connected().fileno()

    def _connected(self) -> socket.socket:
        return self._socket or self._connect()

    def wake(self) -> None:
        """After a rest: another connection if the other side has closed this one meanwhile."""
        if self._socket is None or time.perf_counter() - self._last < REST_SECONDS:
            return
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if poll.poll(0):  # Nothing was asked, so this is the end.
            self.close()

    def _connect(self) -> socket.socket:
        try:
            at = (self._at.hostname or "127.0.0.1", self._at.port or 80)
            self._socket = socket.create_connection(at, timeout=ANSWER_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise Failed(f"no connection: {error}") from None
        return self._socket

    def send(self, body: bytes) -> None:
        self._body, self.waiting = body, True
        try:
            self._write()
        except Lost:
            self.again()

    def again(self) -> None:
        """Sends the request once more, on a new connection."""
        self.close()
        self._write()

    def _write(self) -> None:
        self._last = time.perf_counter()
        try:
            self._connected().sendall(self._start + b"%d\r\n\r\n" % len(self._body) + self._body)
        except OSError as error:
            raise self._lost(f"the connection: {error}") from None

    def _lost(self, said: str) -> Failed:
        """A kept connection may have ended just as it was used; then clients make another one."""
        return Lost(said) if self._kept and not self._have else Failed(said)

    def feed(self) -> bytes | None:
        """Reads once; the body of an answer that is whole by that.

        Raises:
            Failed: It is refused, or the connection ended.
            Lost: The connection ended, and the request can be sent `again`.
        """
        try:
            data = self._connected().recv(1 << 20)
        except OSError as error:
            raise self._lost(f"the connection: {error}") from None
        if not data:
            raise self._lost("the connection ended before the answer")
        self._parts.append(data)
        self._have += len(data)
        if not self._head:
            self._begin()
        if self._chunked:
            whole = (b"".join(self._parts[-2:])[-len(_LAST) :] == _LAST) or self._empty()
        else:
            whole = self._have >= self._need
        return self._end() if self._head and whole else None

    def _begin(self) -> None:
        """Once all of the head is there."""
        data = b"".join(self._parts)
        self._parts = [data]
        head, end, _ = data.partition(b"\r\n\r\n")
        if not end:
            return
        self._head = head
        if found := _LENGTH.search(head):
            self._need = len(head) + 4 + int(found[1])
        elif _CHUNKED.search(head):
            self._chunked = True
        elif head[9:12] in (b"202", b"204"):
            self._need = len(head) + 4
        else:
            raise Failed(f"an answer without an end: {head[:200]!r}")

    def _empty(self) -> bool:
        return self._have < len(self._head) + 16 and b"".join(self._parts).endswith(b"\r\n\r\n0\r\n\r\n")

    def _end(self) -> bytes:
        data, head, chunked = b"".join(self._parts), self._head, self._chunked
        self._parts, self._have, self._need, self._head, self._chunked = [], 0, 0, b"", False
        self.waiting, self._kept = False, True
        body = data[len(head) + 4 :]
        if chunked:
            body = _joined(body)
        if head[9:10] != b"2":
            raise Failed(f"HTTP {head[9:12].decode()}: {body[:200].decode(errors='replace')}")
        if not self.session and (found := _SESSION.search(head)):
            self._settle(found[1].decode())
        if re.search(rb"\r\nconnection: *close", head, re.I):
            self.close()
        return _event(body) if b"data:" in body[:200] and not body.startswith(b"{") else body

    def exchange(self, body: bytes) -> bytes:
        """One request and the body of its answer.

        Raises:
            Failed: It is refused, or no answer came.
        """
        self.wake()
        self.send(body)
        while True:
            try:
                if (answer := self.feed()) is not None:
                    return answer
            except Lost:
                self.again()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._kept = False


def _joined(body: bytes) -> bytes:
    """The chunks of a body together."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].split(b";")[0], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


def _event(body: bytes) -> bytes:
    """The last event of a stream that answers a request."""
    for line in reversed(body.splitlines()):
        if line.startswith(b"data:") and b'"method":' not in line[:200] and len(line) > 10:
            return line[5:].strip()
    raise Failed(f"a stream without an answer: {body[:200]!r}")


class Sockets(Client):
    """Sessions of one endpoint, each with a connection of its own.

    Args:
        url: The endpoint.
        headers: What each request shows.
        wrap: See `Client`.
    """

    def __init__(self, url: str, headers: dict[str, str] | None = None, wrap: Wrap | None = None) -> None:
        super().__init__(wrap)
        self._url = url
        self._headers = headers or {}
        self.connections: list[Connection] = []

    def widen(self, count: int) -> None:
        """Opens sessions until there are so many."""
        while len(self.connections) < count:
            connection = Connection(self._url, self._headers)
            self._sent += 1
            greeting = {"jsonrpc": "2.0", "id": self._sent, "method": "initialize", "params": GREETING}
            connection.exchange(orjson.dumps(greeting))
            connection.exchange(orjson.dumps(READY))
            self.connections.append(connection)

    def request(self, method: str, params: Params) -> Params:
        self.widen(1)
        self._sent += 1
        message = {"jsonrpc": "2.0", "id": self._sent, "method": method, "params": params}
        answer = orjson.loads(self.connections[0].exchange(orjson.dumps(message)))
        if "result" not in answer:
            raise Failed(f"{method}: {answer.get('error')}"[:300])
        result: Params = answer["result"]
        return result

    def lone(self, count: int, seconds: float, size: int = 0) -> list[float]:
        took: list[float] = []
        end = time.perf_counter() + seconds
        connection = self.connections[0]
        for n in range(count):
            body = self.bytes(n, size)
            began = time.perf_counter()
            answer = connection.exchange(body)
            now = time.perf_counter()
            took.append(now - began)
            checked(answer, size)
            if now > end:
                break
        return took

    def flood(self, count: int, seconds: float, width: int) -> Flood:
        """With more sessions than `width` they take turns."""
        self.widen(width)
        resting = deque(self.connections)
        with contextlib.closing(select.epoll()) as poll:
            known: dict[int, Connection] = {}
            sent = got = 0
            began = time.perf_counter()
            end = began + seconds

            def go() -> None:
                nonlocal sent
                connection = resting.popleft()
                connection.wake()
                connection.send(self.bytes(sent))
                watch(connection)
                sent += 1

            def watch(connection: Connection) -> None:
                number = connection.fileno()
                if known.get(number) is not connection:
                    known[number] = connection
                    poll.register(number, select.EPOLLIN)

            for _ in range(min(width, count)):
                go()
            while got < sent:
                ready = poll.poll(ANSWER_SECONDS)
                if not ready:
                    raise Failed(f"no answer within {ANSWER_SECONDS:.0f} s")
                free = 0
                lost = []
                for number, _ in ready:
                    connection = known[number]
                    if not connection.waiting:
                        # It rests, and the other side has closed it.
                        known.pop(number).close()
                        continue
                    try:
                        answer = connection.feed()
                    except Lost:
                        lost.append(known.pop(number))
                        continue
                    if answer is None:
                        continue
                    checked(answer)
                    got += 1
                    free += 1
                    resting.append(connection)
                    if not connection.open:
                        del known[number]
                # Not before all were read: a new connection may get the number of one that has just ended.
                for connection in lost:
                    connection.again()
                    watch(connection)
                for _ in range(min(free, count - sent) if time.perf_counter() < end else 0):
                    go()
            return Flood(got, time.perf_counter() - began)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        self.connections.clear()
