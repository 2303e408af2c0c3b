"""One look at one server: connect, list its tools, leave. Called by `callmux.process.signed_probe`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from callmux import __version__
from callmux.config.servers import HttpServer, StdioServer
from callmux.places import known_state_dir
from callmux.protocol.jsonrpc import METHOD_NOT_FOUND, RpcError
from callmux.protocol.shapes import Tool
from callmux.upstream.belongings import running
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.guardian import Guardian
from callmux.upstream.hooks import Hooks
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.links.child_output import KEPT_LINES
from callmux.upstream.links.opening import CredentialsFor, Surroundings, open_link
from callmux.upstream.opening.last_words import SHOWN_LINES, plain, with_words
from callmux.upstream.reading.lists import read_all
from callmux.upstream.reading.paging import list_all


class Seen(msgspec.Struct, frozen=True):
    """All that a server has listed."""

    tools: tuple[Tool, ...]
    offer: Offer


class ProbeResult(msgspec.Struct, frozen=True):
    """What a server showed.

    Attributes:
        tools: Bare names as listed, no whitelist applied.
        error: Why it could not be asked; None where it could.
        said: The last lines of its stderr, where it could not be asked.
        sign_in: Whether it could not be asked because a person must sign in.
        seen: All that it has listed, to be kept; None where it could not be asked.
    """

    tools: list[str]
    error: str | None
    said: tuple[str, ...] = ()
    sign_in: bool = False
    seen: Seen | None = None


async def _refuse(_: Connection, method: str, *__: object) -> bytes:
    raise RpcError(METHOD_NOT_FOUND, f"method not found: {method}")


async def probe(
    name: str,
    server: StdioServer | HttpServer,
    *,
    timeout_seconds: float,
    base_dir: Path,
    heard: Callable[[str], None] = lambda line: None,
    credentials: CredentialsFor | None = None,
) -> ProbeResult:
    """Connects to `server`, lists its tools and ends it again.

    Args:
        timeout_seconds: For the handshake, and again for the listing.
        heard: Takes each line that it writes to its stderr.
        credentials: Gives those of a link to a server at a URL; its headers alone where absent.
    """
    guardian = Guardian(running(known_state_dir(os.environ)))
    said: deque[str] = deque(maxlen=KEPT_LINES)

    def show(_: str, line: str) -> None:
        said.append(line)
        heard(line)

    around = Surroundings(
        env=dict(os.environ), base_dir=base_dir, guardian=guardian, show=show, credentials=credentials
    )
    hooks = Hooks(told=lambda *_: None, asked=_refuse, lost=lambda *_: None, noise=lambda *_: None)
    connection: Connection | None = None
    names: list[str] = []
    try:
        connection = Connection(name, open_link(name, server, around), hooks)
        client_info = msgspec.json.encode({"name": "callmux-doctor", "version": __version__})
        init = await connection.open(client_info, b"{}", timeout_seconds)
        if not init.capabilities or "tools" in init.capabilities:
            # Asked for once more than what is kept, where a tool that cannot be read is left out.
            names = [Tool(r).name for r in await list_all(connection, "tools/list", "tools", timeout_seconds)]
        seen = Seen(*await read_all(connection, init, timeout_seconds))
        return ProbeResult(names, None, seen=seen)
    except CallFailure as failure:
        lines = tuple(plain(said)[-SHOWN_LINES:])
        return ProbeResult([], with_words(failure.cause, said), lines, failure.sign_in)
    except msgspec.MsgspecError as error:
        return ProbeResult([], f"it lists a tool that cannot be read: {error}")
    finally:
        try:
            if connection is not None:
                await connection.close()
        finally:
            await guardian.end()
