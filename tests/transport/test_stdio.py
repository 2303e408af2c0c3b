"""A real process on real pipes, files and devices: every message is read, every line is sent."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.protocol import lines
from callmux.protocol.jsonrpc import Malformed, Message, Request
from callmux.transport import stdio
from callmux.transport.stdio import StdioTransport
from tests.support import SECONDS, loop_factory, python, real_loop, run, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")

PROGRAM = """
import asyncio, sys
from callmux.protocol import jsonrpc
from callmux.transport.stdio import StdioTransport

async def main():
    def received(message):
        id = getattr(message, "id", None)
        if isinstance(message, jsonrpc.Malformed):
            transport.send(jsonrpc.failure(id, message.code, message.message))
        elif isinstance(message, jsonrpc.Request):
            transport.send(jsonrpc.response(id, message.params or b"null"))
    transport = StdioTransport(received)
    await transport.open()
    await transport.ended.wait()
    await transport.finish(10)
    print("ended", file=sys.stderr)

if sys.argv[1] == "uvloop":
    import uvloop
    loop = uvloop.new_event_loop
else:
    loop = None
with asyncio.Runner(loop_factory=loop) as runner:
    runner.run(main())
"""
"""Answers each request with its params and ends when its input does."""


@pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both loops: the standard library's and the one that is used where it is installed."""
    factory = None if request.param == "asyncio" else pytest.importorskip("uvloop").new_event_loop
    token = loop_factory.set(factory)
    yield request.param
    loop_factory.reset(token)


def requests(count: int, size: int = 1) -> bytes:
    return b"".join(
        b'{"jsonrpc":"2.0","id":%d,"method":"m","params":"%b"}\n' % (n, b"x" * size) for n in range(count)
    )


def ids(output: bytes) -> list[Any]:
    return [json.loads(line)["id"] for line in output.splitlines()]


def finished(process: subprocess.Popen[bytes], given: bytes | None = None) -> tuple[bytes, bytes]:
    """Output and errors of a process that ends by itself."""
    try:
        out, err = process.communicate(given, timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    return out, err


def test_pipes(loop: str) -> None:
    out, err = finished(python("-c", PROGRAM, loop), requests(1000))
    assert ids(out) == list(range(1000))
    assert err == b"ended\n"


def test_large_messages_pass_both_ways(loop: str) -> None:
    out, _ = finished(python("-c", PROGRAM, loop), requests(3, size=5_000_000))
    assert ids(out) == [0, 1, 2]
    assert len(out) > 15_000_000


def test_a_last_line_counts_without_its_newline(loop: str) -> None:
    out, _ = finished(python("-c", PROGRAM, loop), b'{"id":1,"method":"m"}\n\n  \n{"id":2,"method":"m"}')
    assert ids(out) == [1, 2]


def test_garbage_is_answered_and_the_next_line_read(loop: str) -> None:
    out, _ = finished(python("-c", PROGRAM, loop), b'hello\n{"id":1,"method":"m"}\n')
    assert ids(out) == [None, 1]


@pytest.mark.parametrize("output", ["pipe", "file"])
def test_stdin_may_be_a_file(tmp_path: Path, loop: str, output: str) -> None:
    """The event loop cannot watch files; uvloop would abort the process."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(requests(500, size=1000))
    with source.open("rb") as stdin, target.open("wb") as stdout:
        to = subprocess.PIPE if output == "pipe" else stdout
        out, err = finished(python("-c", PROGRAM, loop, stdin=stdin, stdout=to))
    assert ids(out if output == "pipe" else target.read_bytes()) == list(range(500))
    assert err == b"ended\n"


def test_stdin_may_be_nothing(loop: str) -> None:
    out, err = finished(python("-c", PROGRAM, loop, stdin=subprocess.DEVNULL))
    assert (out, err) == (b"", b"ended\n")


def test_stdout_may_be_nothing(loop: str) -> None:
    _, err = finished(python("-c", PROGRAM, loop, stdout=subprocess.DEVNULL), requests(100))
    assert err == b"ended\n"


def test_each_side_may_be_a_socket(loop: str) -> None:
    """Node.js gives its children socket pairs for pipes."""
    to_us, stdin = socket.socketpair()
    from_us, stdout = socket.socketpair()
    with to_us, from_us:
        with stdin, stdout:
            process = python("-c", PROGRAM, loop, stdin=stdin.fileno(), stdout=stdout.fileno())
        from_us.settimeout(20)
        to_us.sendall(requests(100))
        to_us.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: from_us.recv(65536), b""))
        _, err = finished(process)
    assert ids(got) == list(range(100))
    assert err == b"ended\n"


def test_a_client_that_closes_our_output_harms_nobody(loop: str) -> None:
    process = python("-c", PROGRAM, loop)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(requests(1))
    process.stdin.flush()
    assert ids(process.stdout.readline()) == [0]
    process.stdout.close()
    process.stdout = None
    _, err = finished(process, requests(1000))
    assert err == b"ended\n"


class Piped:
    """A transport in this process, with the client's ends of both pipes."""

    def __init__(self) -> None:
        self.stdin, self.client_in = os.pipe()
        self.client_out, self.stdout = os.pipe()
        self.messages: list[Message] = []
        self.transport = StdioTransport(self.messages.append)

    async def open(self) -> None:
        await self.transport.open(self.stdin, self.stdout)
        os.close(self.stdin)
        os.close(self.stdout)
        os.set_blocking(self.client_in, False)

    def read(self) -> bytes:
        return os.read(self.client_out, 1 << 20)


@real_loop()
async def test_a_client_that_does_not_read_is_not_read_from() -> None:
    """What it sends waits in the pipe, not in our memory; once it reads, all goes on."""

    piped = Piped()
    await piped.open()
    loop = asyncio.get_running_loop()
    os.write(piped.client_in, requests(1))
    await until(lambda: piped.messages, "the first message")
    for _ in range(100):
        piped.transport.send(b'{"x":"%b"}\n' % (b"x" * 10_000))
    await until(lambda: piped.transport._paused, "the pause")
    os.write(piped.client_in, requests(10))
    assert len(piped.messages) == 1
    got = bytearray()
    while got.count(b"\n") < 100:
        got += await loop.run_in_executor(None, piped.read)
    await until(lambda: len(piped.messages) == 11, "the other messages")
    os.close(piped.client_in)
    await until(piped.transport.ended.is_set, "the end")
    await piped.transport.finish(5)
    assert await loop.run_in_executor(None, piped.read) == b""
    os.close(piped.client_out)
    piped.transport.send(b"too late\n")


@real_loop()
async def test_the_end_of_a_client_that_does_not_read_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has closed its end; what it sent before stays unread, as what we sent does."""
    monkeypatch.setattr(stdio, "STUCK_SECONDS", 0.01)

    piped = Piped()
    await piped.open()
    piped.transport.send(b"x" * 1_000_000)
    await until(lambda: piped.transport._paused, "the pause")
    os.write(piped.client_in, requests(10))
    await asyncio.to_thread(lambda: None)
    assert not piped.transport.ended.is_set()
    os.close(piped.client_in)
    await until(piped.transport.ended.is_set, "the end")
    await piped.transport.finish(0.05)
    os.close(piped.client_out)
    await asyncio.sleep(0)


@real_loop()
async def test_flushing_is_bounded() -> None:
    """A client that never reads does not keep us."""

    piped = Piped()
    await piped.open()
    piped.transport.send(b"x" * 1_000_000)
    await piped.transport.finish(0.05)
    await until(piped.transport.gone.is_set, "the end")
    os.close(piped.client_in)
    os.close(piped.client_out)
    piped.transport.resume()
    await until(piped.transport.ended.is_set, "the end of input")


@real_loop()
async def test_a_client_that_is_gone_is_noticed() -> None:
    piped = Piped()
    await piped.open()
    os.close(piped.client_out)
    piped.transport.send(b"{}\n")
    await until(piped.transport.gone.is_set, "the end")
    piped.transport.send(b"{}\n")
    os.close(piped.client_in)
    await until(piped.transport.ended.is_set, "the end of input")


def test_a_message_beyond_the_limit_is_told_by_its_head() -> None:
    messages: list[Message] = []
    transport = StdioTransport(messages.append)
    transport._lines = lines.LineBuffer(100)
    transport.feed(b'{"id":7,"method":"m","params":"' + b"x" * 200)
    transport.feed(b'"}\n{"id":8,"method":"m"}\n')
    assert messages[0] == Malformed(7, False, -32600, "the message is larger than 100 bytes")
    assert isinstance(messages[1], Request)


def test_an_output_that_fails_is_given_up(tmp_path: Path) -> None:
    """A full disk, say: here a file that is open for reading only."""
    (tmp_path / "file").write_bytes(b"")
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    source, client = os.pipe()

    async def scene() -> None:
        transport = StdioTransport(lambda message: None)
        await transport.open(source, fd)
        os.close(client)
        transport.send(b"{}\n")
        await until(transport.gone.is_set, "the end")
        transport.send(b"{}\n")
        await transport.finish(1)
        await until(transport.ended.is_set, "the end of input")

    run(scene())
    os.close(fd)
    os.close(source)


def test_an_input_that_fails_has_ended(tmp_path: Path) -> None:
    """A directory can be opened and not be read."""
    fd = os.open(tmp_path, os.O_RDONLY)

    async def scene() -> None:
        transport = StdioTransport(lambda message: None)
        await transport.open(fd, fd)
        await until(transport.ended.is_set, "the end of input")

    run(scene())
    os.close(fd)
