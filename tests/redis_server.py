"""A real `redis-server` for tests: one for all of them, on a socket, which tests can also stop and cut off.

The package `redis-server` of Debian has it. Without it tests are skipped; with `CALLMUX_REQUIRE_REDIS=1`, as
in CI, they fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path

import pytest

from callmux.config.redis_url import read_redis_url
from callmux.config.state import StateSection
from callmux.stores.redis_client import make_client
from callmux.stores.redis_connection import RedisConnection
from tests.support import SECONDS, until

PATIENT = 20.0
"""Seconds that a request may take: on a busy machine, nothing that is there is taken to be away."""
HASTY = 0.2
"""The same where Redis does not answer, so that a test need not wait."""
_numbers = count(1)


class RedisServer:
    """A process, and the socket where it is.

    Args:
        words: What else stands on its command line.
        sentinel: The file of a sentinel, which says where that is.
        at: The socket that this file names.

    Attributes:
        socket: Where it is.
    """

    def __init__(self, *words: str, sentinel: Path | None = None, at: Path | None = None) -> None:
        program = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/local/bin")
        if program is None:
            if os.environ.get("CALLMUX_REQUIRE_REDIS") == "1":
                pytest.fail("redis-server is missing: run scripts/interop, or apt-get install redis-server")
            pytest.skip("redis-server is missing: apt-get install redis-server")
        self.directory = Path(tempfile.mkdtemp(prefix="callmux-redis-"))
        self.socket = at or self.directory / "s"
        fixed = ["--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"]
        port = [] if "--port" in words else ["--port", "0"]
        self._command = [program, *port, *fixed, "--dir", str(self.directory), *words]
        if sentinel is not None:
            self._command = [program, str(sentinel), "--sentinel"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Starts it, with nothing in it."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ends = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < ends, "redis-server does not start"
            time.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG") or "--requirepass" in self._command
            except OSError:
                return False

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """As `kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(SECONDS)
            self.socket.unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def own_prefix() -> str:
    """The beginning of keys that no other test has."""
    return f"test{os.getpid()}-{next(_numbers)}:"


def connection(url: str, prefix: str | None = None, seconds: float = PATIENT) -> RedisConnection:
    """A connection that is not open yet."""
    options = StateSection(url=url, timeout_ms=int(seconds * 1000))
    address = read_redis_url(url)
    client = make_client(address, options)
    return RedisConnection(client, address.shown, prefix or own_prefix(), seconds, seconds)


@contextmanager
def stopped(server: RedisServer, *connections: RedisConnection) -> Iterator[None]:
    """Redis is there and answers nobody; nobody waits long for it."""
    server.signal(signal.SIGSTOP)
    for one in connections:
        one._seconds = one._connect_seconds = HASTY
    try:
        yield
    finally:
        for one in connections:
            one._seconds = one._connect_seconds = PATIENT
        server.signal(signal.SIGCONT)


@asynccontextmanager
async def connected(
    url: str, prefix: str | None = None, seconds: float = PATIENT
) -> AsyncIterator[RedisConnection]:
    """A connection, with a part of Redis for this test."""
    made = connection(url, prefix, seconds)
    await made.open()
    try:
        await until(lambda: made.is_up, "Redis")
        yield made
    finally:
        await made.close()
