"""One connection without a network: a protocol of the server, what it is given, and what it sends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from uvicorn.server import ServerState

from callmux.transport.http.narrow import NarrowProtocol
from callmux.transport.http.serve import uvicorn_config
from tests.support import settle
from tests.transport.http.asgi import House

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BOTH = b"Accept: application/json, text/event-stream\r\n"


class Wire(asyncio.Transport):
    """The server's end of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.out = b""
        self.protocol: NarrowProtocol | None = None
        self.paused = False
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.out += bytes(data)

    def writelines(self, lines: Iterable[Any]) -> None:
        self.write(b"".join(lines))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            assert self.protocol is not None
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """The client may go on sending."""

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 6)}.get(name, default)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A house, and connections to it."""

    def __init__(self, kind: type[NarrowProtocol], house: House) -> None:
        self.house = house
        self._kind = kind
        self._config = uvicorn_config(house.app, kind)
        self._state = ServerState()
        self._state.default_headers = [(b"date", b"today")]

    def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        wire = Wire()
        wire.protocol = self._kind(self._config, self._state, {}, _loop=loop)
        wire.protocol.connection_made(wire)
        return Connection(wire)


class Connection:
    """A client's end."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._unread: list[bytes] = []
        self._ends = False
        self.has_ended = False

    @property
    def protocol(self) -> Any:
        return self.wire.protocol

    def send(self, *parts: bytes) -> None:
        """Sends bytes; they wait where the server does not read."""
        self._unread += parts
        self.pump()

    def pump(self) -> None:
        """Has the server read what waits."""
        while self._unread and not self.wire.paused and not self.wire.closed:
            self.protocol.data_received(self._unread.pop(0))
        if self._ends and not self._unread and not self.wire.paused and not self.wire.closed:
            self._ends = False
            if not self.protocol.eof_received():
                self.wire.close()

    async def settle(self) -> None:
        await settle()
        for _ in range(20):
            if not (self._unread or self._ends):
                break
            self.pump()
            await settle()

    def leave(self, error: Exception | None = None) -> None:
        """Closes the connection; `error` is what the server sees where it is reset."""
        if not self.wire.closed:
            self.wire.closed = True
            self.protocol.connection_lost(error)

    def end(self) -> None:
        """Closes the sending side; the server sees it once it has read all that came before."""
        self._ends = self.has_ended = True
        self.pump()

    @property
    def answers(self) -> list[Answer]:
        """What came back."""
        return parsed(self.wire.out)


def post(message: Any, session: str | None, more: bytes = b"", length: bytes | None = None) -> bytes:
    """A POST as bytes.

    Args:
        more: Further headers.
        length: What stands in Content-Length instead of the right number.
    """
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    named = b"" if session is None else b"Mcp-Session-Id: %b\r\n" % session.encode()
    digits = length if length is not None else b"%d" % len(body)
    return HEAD + BOTH + b"Content-Length: " + digits + b"\r\n" + named + more + b"\r\n" + body


ALONE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def alone(
    method: str, id: int | str, more: bytes = b"", says: bytes | None = None, meta: Any = None, **params: Any
) -> bytes:
    """A POST of a revision without sessions.

    Args:
        more: Further headers.
        says: What its headers say of its body, where that is not what is right.
        meta: What else stands in its `_meta`.
    """
    if says is None:
        says = b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: %b\r\n" % method.encode()
        if "name" in params:
            says += b"Mcp-Name: %b\r\n" % params["name"].encode()
    given = {"_meta": ALONE | (meta or {}), **params}
    message = {"jsonrpc": "2.0", "id": id, "method": method, "params": given}
    return post(message, None, says + more)


def parsed(data: bytes) -> list[Answer]:
    """The answers in what a server sent."""
    found = []
    while data:
        head, sign, data = data.partition(b"\r\n\r\n")
        if not sign:
            found.append(Answer(0, {}, head, False))
            break
        first, *lines = head.split(b"\r\n")
        headers = {
            k.decode().lower(): v.strip().decode() for k, _, v in (line.partition(b":") for line in lines)
        }
        if headers.get("transfer-encoding") == "chunked":
            body, data, whole = _chunks(data)
        else:
            length = int(headers.get("content-length", "0"))
            body, data, whole = data[:length], data[length:], len(data) >= length
        found.append(Answer(int(first.split()[1]), headers, body, whole))
    return found


def _chunks(data: bytes) -> tuple[bytes, bytes, bool]:
    body = b""
    while (size := re.match(rb"([0-9a-f]+)\r\n", data)) is not None:
        length, begin = int(size[1], 16), size.end()
        body += data[begin : begin + length]
        data = data[begin + length + 2 :]
        if not length:
            return body, data, True
    return body, data, False
