"""What a client has sent before anybody listens: whether it greets already.

Called by `callmux.cli.serve`, which starts servers at once for a client that does; what was read goes to
`callmux.transport.stdio`.
"""

from __future__ import annotations

import os
import select
import stat

from callmux.protocol.jsonrpc import Request, of_client

MOST_BYTES = 64 * 1024


def is_stream(descriptor: int) -> bool:
    """Whether it is a pipe or a socket, which the event loop can watch."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def said_already(stdin: int = 0) -> bytes:
    """What there is to read now, without waiting; nothing where stdin is no stream, or not open."""
    try:
        if is_stream(stdin) and select.select([stdin], [], [], 0)[0]:
            return os.read(stdin, MOST_BYTES)
    except OSError:
        # Whoever listens later says so.
        pass
    return b""


def greets(said: bytes) -> bool:
    """Whether this begins with a whole `initialize`."""
    line, end, _ = said.partition(b"\n")
    if not end:
        return False
    message = of_client(line)
    return isinstance(message, Request) and message.method == "initialize"
