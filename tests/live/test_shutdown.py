"""A real listener that is told to end: what is in flight is answered, nothing new begins, it ends in time."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import SECONDS, eventually, free_port

from .harness import python_server, stdio, write_config
from .test_listener import HELLO, request, run_listener

HEAD = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def ledger_config(tmp_path: Path, **more: Any) -> Path:
    ledger = tmp_path / "ledger"
    ledger.touch()
    server = stdio(python_server("ledger_server.py", ledger))
    return write_config(tmp_path / "callmux.json", {"a": server}, **more)


class Caller:
    """A client with one connection of its own."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self.session: str | None = None

    def posts(self, message: Any) -> http.client.HTTPResponse:
        head = HEAD if self.session is None else {**HEAD, "Mcp-Session-Id": self.session}
        self.connection.request("POST", "/mcp", json.dumps(message), head)
        return self.connection.getresponse()

    def greets(self) -> None:
        answer = self.posts(request(0, "initialize", HELLO))
        answer.read()
        self.session = answer.headers["mcp-session-id"]
        self.posts({"jsonrpc": "2.0", "method": "notifications/initialized"}).read()

    def close(self) -> None:
        self.connection.close()


@contextlib.contextmanager
def greeted(port: int) -> Iterator[Caller]:
    """A client whose handshake is done."""
    with contextlib.closing(Caller(port)) as caller:
        caller.greets()
        yield caller


class Call(threading.Thread):
    """A call in a thread; `body` is what came, whole."""

    def __init__(self, port: int, session: str | None, ms: int, token: str) -> None:
        super().__init__(daemon=True)
        self._caller = Caller(port)
        self._caller.session = session
        self._params = {"name": "slow", "arguments": {"token": token, "ms": ms}}
        self.status = 0
        self.body = b""
        self.start()

    def run(self) -> None:
        with contextlib.closing(self._caller), contextlib.suppress(http.client.HTTPException, OSError):
            answer = self._caller.posts(request(7, "tools/call", self._params))
            self.status = answer.status
            self.body = answer.read()

    def result(self) -> bytes:
        self.join(20)
        assert not self.is_alive()
        return self.body


def until_begun(tmp_path: Path, *tokens: str) -> None:
    ledger = tmp_path / "ledger"
    eventually(lambda: all(f"begin {token} " in ledger.read_text() for token in tokens), "the calls")


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_calls_in_flight_at_sigterm_are_answered_and_nothing_new_begins(tmp_path: Path) -> None:
    """Weak spot L8 of callmux (npm)."""
    port = free_port()
    config = ledger_config(tmp_path)
    with run_listener(tmp_path, config, port) as process, greeted(port) as one, greeted(port) as two:
        soon, later = Call(port, one.session, 700, "soon"), Call(port, two.session, 2600, "later")
        until_begun(tmp_path, "soon", "later")
        process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(port), "the port to close")
        late = one.posts(request(8, "tools/call", {"name": "write", "arguments": {"token": "new"}}))
        assert (late.status, late.headers["connection"], late.headers["retry-after"]) == (503, "close", "1")
        for call, token in ((soon, b"soon"), (later, b"later")):
            assert b'\\"token\\": \\"%b\\"' % token in call.result()
            assert call.status == 200
        assert process.wait(20) == 0
    assert "begin new" not in (tmp_path / "ledger").read_text()


def test_a_call_that_does_not_end_does_not_keep_the_listener(tmp_path: Path) -> None:
    port = free_port()
    with (
        run_listener(tmp_path, ledger_config(tmp_path, reloadDrainTimeoutMs=300), port) as process,
        greeted(port) as caller,
    ):
        call = Call(port, caller.session, 60_000, "endless")
        until_begun(tmp_path, "endless")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert b'"result"' not in call.result()
        assert call.status == 200


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port) as process, greeted(port) as caller:
        Call(port, caller.session, 60_000, "endless").join(0)
        until_begun(tmp_path, "endless")
        process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(port), "the port to close")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1


def test_a_request_whose_body_is_on_its_way_has_not_begun(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, ledger_config(tmp_path), port) as process, greeted(port) as caller:
        body = json.dumps(request(1, "tools/call", {"name": "write", "arguments": {"token": "half"}}))
        sent = caller.connection
        sent.putrequest("POST", "/mcp")
        for name, value in {**HEAD, "Mcp-Session-Id": caller.session or ""}.items():
            sent.putheader(name, value)
        sent.putheader("Content-Length", str(len(body)))
        sent.endheaders(body[:20].encode())
        # What comes on another connection after it is answered after it was read.
        with greeted(port):
            process.send_signal(signal.SIGTERM)
            answer = sent.getresponse()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert b"nothing was begun" in answer.read()
        assert process.wait(20) == 0
    assert "half" not in (tmp_path / "ledger").read_text()
