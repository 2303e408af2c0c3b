"""Who holds a port."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from callmux.cli.listen import ListenOptions, _bound
from callmux.cli.occupant import occupant
from callmux.errors import CallmuxError


@contextmanager
def answering(body: bytes) -> Iterator[int]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_callmux_says_which_it_is() -> None:
    facts = {"status": "ok", "sessions": 2, "version": "9.9", "pid": 4711}
    with answering(json.dumps(facts).encode()) as port:
        assert occupant("127.0.0.1", port) == "callmux 9.9 (pid 4711)"
        with pytest.raises(CallmuxError) as caught:
            _bound(ListenOptions(port))
    assert caught.value.message == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use. callmux 9.9 (pid 4711) answers there:"
        " end it, or choose another port with --listen"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status": "ok"}'])
def test_another_program_is_named(body: bytes) -> None:
    with answering(body) as port:
        assert occupant("127.0.0.1", port).endswith(f"(pid {os.getpid()})")


def test_nobody_is_named_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert occupant("127.0.0.1", port) == ""


def test_a_port_for_root_and_a_host_that_is_not_ours_are_said_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> None:
        def bind(host: str, port: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("callmux.cli.listen.bind", bind)

    import errno

    for number, says in ((errno.EACCES, "below 1024"), (errno.EADDRNOTAVAIL, "--host")):
        refuse(number)
        with pytest.raises(CallmuxError, match=says):
            _bound(ListenOptions(80, "192.0.2.1"))
