"""Whatever comes over a socket, on every endpoint: an answer that is no 500, or an end of the connection; and
the listener goes on. `CALLMUX_HTTP_EXAMPLES` gives the number of requests for each kind of listener.

The requests are made of parts that mean something to an HTTP server, put together wrongly.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.harness import python_server, stdio, write_config
from tests.live.test_listener import run_listener
from tests.support import SECONDS, free_port

EXAMPLES = int(os.environ.get("CALLMUX_HTTP_EXAMPLES", "150"))
ANSWER_SECONDS = SECONDS
"""Far more than any answer takes; a request that is never answered fails the test."""
TOKEN = "ops-secret"
HASH = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"

PATHS = (
    *("/mcp", "/sse", "/messages", "/messages?sessionId=x", "/health", "/ready", "/metrics", "/dashboard"),
    *("/dashboard/data", "/management/v1", "/management/v1/servers/x", "/mcp/p/x", "/", "//", "*", ""),
    *(
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/mcp",
        "/%6dcp",
        "/mcp%00",
    ),
    *(
        "/../mcp",
        "/mcp/",
        "/mcp?a=%ff&a=b&&=",
        "http://localhost/mcp",
        "http://evil.example/mcp",
        "http://[::1/x",
    ),
)
METHODS = (
    "GET",
    "POST",
    "DELETE",
    "PUT",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "PRI",
    "G\x00T",
)
NAMES = (
    *("host", "content-type", "accept", "content-length", "transfer-encoding", "content-encoding", "expect"),
    *("mcp-session-id", "mcp-protocol-version", "last-event-id", "authorization", "origin", "connection"),
    *("x-request-id", "x-callmux-cwd", "x-callmux-client", "x-callmux-max-body-bytes", "x-forwarded-for"),
    *(
        "upgrade",
        "cookie",
        "range",
        "te",
        "trailer",
        "access-control-request-method",
        "x",
        "x y",
        "",
        "x\x01",
    ),
)
VALUES = (
    *(
        "localhost",
        "127.0.0.1:4860",
        "evil.example",
        "application/json",
        "text/event-stream",
        "*/*",
        "0",
        "-1",
    ),
    *(
        "chunked",
        "gzip",
        "identity",
        "gzip, chunked",
        "100-continue",
        f"Bearer {TOKEN}",
        "Bearer x",
        "Basic eDp5",
    ),
    *(
        "2025-11-25",
        "1999-01-01",
        "s1_0",
        "close",
        "keep-alive",
        "upgrade",
        "websocket",
        "h2c",
        "null",
        "/tmp",
        "x",
    ),
    *(
        "http://localhost",
        "99999999999999999999",
        "5, 5",
        "192.0.2.1, ::1, unknown",
        "bytes=0-1",
        "é",
        "",
        "\t",
    ),
)
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "f", "version": "1"},
    },
}
BODIES = (
    json.dumps(HELLO).encode(),
    b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    b'[{"jsonrpc":"2.0","id":1,"method":"ping"},1,null,[]]',
    b'{"jsonrpc":"2.0","method":"notifications/initialized"}',
    b'{"jsonrpc":"2.0","id":{"a":1},"method":5,"params":"x"}',
    b'{"jsonrpc":"2.0","id":1e400,"method":"\\ud800"}',
    b'{"a":' * 1000 + b"1" + b"}" * 1000,
    b"[" * 2000,
    b"null",
    b"",
    b"\xff\xfe{}",
    b'{"id":1,"id":2,"method":"ping","method":"x"}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":[]}}',
    b"NaN",
)

head_line = st.tuples(
    st.sampled_from(METHODS) | st.text("ABCxyz ", max_size=5),
    st.sampled_from(PATHS)
    | st.text(st.characters(max_codepoint=255, blacklist_characters="\n"), max_size=40),
    st.sampled_from(("HTTP/1.1", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/1.1 x", "")),
)
values = st.sampled_from(VALUES) | st.text(st.characters(max_codepoint=255), max_size=30)
headers = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=8)
framings = st.sampled_from(
    ("length", "length", "chunked", "chunked", "none", "short", "long", "both", "broken")
)
bodies = st.sampled_from(BODIES) | st.binary(max_size=200)
sane = st.lists(st.sampled_from(("host", "json", "accept", "token")), max_size=4, unique=True)
SANE = {
    "host": b"host: localhost\r\n",
    "json": b"content-type: application/json\r\n",
    "accept": b"accept: application/json, text/event-stream\r\n",
    "token": b"authorization: Bearer " + TOKEN.encode() + b"\r\n",
}


def written(
    line: tuple[str, str, str], some: list[str], more: list[tuple[str, str]], framing: str, body: bytes
) -> bytes:
    """A request as bytes."""
    head = " ".join(line).encode("latin-1") + b"\r\n" + b"".join(SANE[name] for name in some)
    head += b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in more)
    length = {"length": len(body), "both": len(body), "short": max(0, len(body) - 3), "long": len(body) + 3}
    if framing in length:
        head += b"content-length: %d\r\n" % length[framing]
    if framing in ("chunked", "both", "broken"):
        head += b"transfer-encoding: chunked\r\n"
        size = b"zz" if framing == "broken" else b"%x" % len(body)
        body = size + b"\r\n" + body + b"\r\n0\r\n\r\n"
    return head + b"\r\n" + body


def asked(port: int, data: bytes) -> list[int]:
    """The statuses of all answers until the listener has nothing more to say for now."""
    found = b""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as raw:
        try:
            raw.sendall(data)
            # It is not to wait for the rest of a body.
            raw.shutdown(socket.SHUT_WR)
            while part := raw.recv(65536):
                found += part
                if b"\r\n\r\n" in found and b"text/event-stream" in found:
                    break
        except (ConnectionResetError, BrokenPipeError):
            pass
        except TimeoutError:
            raise AssertionError(
                f"no answer and no end within {ANSWER_SECONDS} s to {data[:300]!r}"
            ) from None
    statuses = [int(status) for status in re.findall(rb"(?:^|\n|[}\]])HTTP/1\.1 (\d{3}) ", found)]
    # Nothing more comes, and the listener knows: it is not to wait until a request takes it too long.
    assert 408 not in statuses, f"{statuses} to {data[:300]!r}"
    return statuses


def check(port: int, process: subprocess.Popen[bytes], data: bytes) -> None:
    for status in asked(port, data):
        assert status < 500 or status in (501, 503), f"HTTP {status} to {data[:500]!r}"
    assert process.poll() is None


@pytest.fixture(scope="module", params=["open", "guarded"])
def listener(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    folder, port = tmp_path_factory.mktemp("fuzzed"), free_port()
    more: dict[str, Any] = {"requestBodyMaxBytes": 100_000, "listenerMaxSessions": 50}
    if request.param == "guarded":
        more["auth"] = {"mode": "bearer", "tokens": [{"id": "ops", "hash": HASH}]}
        more["abuseControls"] = {
            "globalRequestsPerMinute": 1_000_000,
            "principalRequestsPerMinute": 1_000_000,
            "principalMaxInFlight": 10_000,
            "trustedProxies": ["127.0.0.1"],
            "cidrDenylist": ["192.0.2.0/24"],
            "addressFailedAuthPerMinute": 0,
        }
        more["auditLog"] = {"enabled": True, "includeRequestBody": True, "path": str(folder / "audit.jsonl")}
    servers = {"a": stdio(python_server("ledger_server.py", folder / "ledger"))}
    with run_listener(folder, write_config(folder / "c.json", servers, **more), port) as process:
        yield port, process
        _still_well(folder, port)


def _still_well(folder: Path, port: int) -> None:
    """It answers as ever, and has met nothing that it did not foresee."""
    line = ("POST", "/mcp", "HTTP/1.1")
    whole = written(line, list(SANE), [("connection", "close")], "length", BODIES[0])
    end = time.monotonic() + 20
    while (statuses := asked(port, whole)) != [200] and time.monotonic() < end:
        time.sleep(0.05)
    assert statuses == [200]
    log = (folder / "listener.log").read_text(errors="replace")
    assert "failed in callmux itself" not in log
    assert "Traceback" not in log


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(line=head_line, some=sane, more=headers, framing=framings, body=bodies)
def test_nothing_on_a_socket_brings_it_down(
    listener: tuple[int, subprocess.Popen[bytes]],
    line: tuple[str, str, str],
    some: list[str],
    more: list[tuple[str, str]],
    framing: str,
    body: bytes,
) -> None:
    check(*listener, written(line, some, more, framing, body))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS[:18]), method=st.sampled_from(METHODS[:8]), more=headers, body=bodies)
def test_nothing_within_good_requests_brings_it_down(
    listener: tuple[int, subprocess.Popen[bytes]],
    path: str,
    method: str,
    more: list[tuple[str, str]],
    body: bytes,
) -> None:
    """What an endpoint reads is wrong, and the rest is right."""
    clean = [(name, "".join(c for c in value if c >= " " and c != "\x7f")) for name, value in more]
    kept = [pair for pair in clean if pair[0] in NAMES[7:] and " " not in pair[0] and pair[0] > "\x20"]
    framing = "length" if method in ("POST", "PUT", "PATCH", "DELETE") else "none"
    whole = written(
        (method, path, "HTTP/1.1"), list(SANE), kept, framing, body if framing == "length" else b""
    )
    check(*listener, whole)


@settings(max_examples=max(10, EXAMPLES // 3), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.lists(st.binary(max_size=300) | st.sampled_from(BODIES), max_size=4))
def test_mere_bytes_bring_nothing_down(
    listener: tuple[int, subprocess.Popen[bytes]], data: list[bytes]
) -> None:
    check(*listener, b"".join(data))
