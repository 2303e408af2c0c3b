"""The bench server over Streamable HTTP with as little as possible: what "nothing in between" is there.

    bare_http.py PORT

One thread, `epoll`, no framework; the answers are those of `benchmarks/server.py`. Each client gets a
session, which is not looked at again.
"""

from __future__ import annotations

import re
import select
import socket
import sys

import orjson

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
_TOOL = {"name": "get_item", "description": "Returns an item", "inputSchema": {"type": "object"}}


def answer(body: bytes) -> bytes:
    """The whole HTTP answer to a message."""
    message = orjson.loads(body)
    key, method = message.get("id"), message.get("method")
    more = b""
    if key is None:
        return b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
    if method == "tools/call":
        text = orjson.dumps({"id": message["params"]["arguments"]["id"], "state": "open"}).decode()
        result: object = {"content": [{"type": "text", "text": text}]}
    elif method == "tools/list":
        result = {"tools": [_TOOL]}
    elif method == "initialize":
        more = b"mcp-session-id: 1\r\n"
        version = message["params"]["protocolVersion"]
        about = {"name": "bench", "version": "1"}
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    else:
        result = {}
    out = orjson.dumps({"jsonrpc": "2.0", "id": key, "result": result})
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
    return head % (more, len(out)) + out


def main() -> None:
    poll = select.epoll()
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096) as door:
        poll.register(door, select.EPOLLIN)
        open_: dict[int, tuple[socket.socket, bytearray]] = {}
        while True:
            for number, _ in poll.poll():
                if number == door.fileno():
                    new, _ = door.accept()
                    new.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    open_[new.fileno()] = (new, bytearray())
                    poll.register(new, select.EPOLLIN)
                    continue
                connection, have = open_[number]
                data = connection.recv(1 << 16)
                have += data
                if not data:
                    open_.pop(number)[0].close()
                while (end := have.find(b"\r\n\r\n")) >= 0:
                    found = _LENGTH.search(have, 0, end)
                    whole = end + 4 + (int(found[1]) if found else 0)
                    if len(have) < whole:
                        break
                    connection.sendall(answer(bytes(have[end + 4 : whole])))
                    del have[:whole]


if __name__ == "__main__":
    main()
