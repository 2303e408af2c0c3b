"""What a client has sent before anybody listens."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from callmux.transport.hello import greets, said_already

HELLO = b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}\n'


@pytest.mark.parametrize("more", [b"", b'{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n', b'{"json'])
def test_whoever_begins_with_a_whole_initialize_greets(more: bytes) -> None:
    assert greets(HELLO + more)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\n",
        HELLO[:-1],
        HELLO[:20],
        b"initialize\n",
        HELLO.replace(b'"id":1,', b""),
        b'{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}\n' + HELLO,
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"initialize"}}\n',
    ],
)
def test_nobody_else_does(said: bytes) -> None:
    """What asks first what callmux is starts no server, nor does half a message."""
    assert not greets(said)


def test_a_pipe_or_a_socket_gives_what_is_there_without_waiting() -> None:
    read, write = os.pipe()
    ours, theirs = socket.socketpair()
    try:
        assert (said_already(read), said_already(ours.fileno())) == (b"", b"")
        os.write(write, HELLO)
        theirs.sendall(HELLO)
        assert (said_already(read), said_already(ours.fileno())) == (HELLO, HELLO)
        os.close(write)
        assert said_already(read) == b""
    finally:
        os.close(read)
        ours.close()
        theirs.close()
    assert said_already(read) == b""


def test_a_file_is_left_to_whoever_reads_it_whole(tmp_path: Path) -> None:
    (tmp_path / "said").write_bytes(HELLO)
    with (tmp_path / "said").open("rb") as file:
        assert said_already(file.fileno()) == b""
        assert file.read() == HELLO
