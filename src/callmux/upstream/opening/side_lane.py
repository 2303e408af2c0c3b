"""How a side lane is opened: the handshake on behalf of a client, and a look whether it is the same server.

Called by `callmux.upstream.server` for its side lanes.
"""

from __future__ import annotations

from collections.abc import Set

from callmux.context import ClientPort
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.lanes import LaneKey
from callmux.upstream.opening import restoring
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.reading.lists import read_tools

SHOWN = 5
"""Missing tools that a message names."""


async def open_lane(
    connection: Connection,
    key: LaneKey,
    client: ClientPort,
    client_info: bytes,
    seconds: float,
    expected: Set[str],
    known: KnownEra | None = None,
) -> Connection:
    """Opens a connection that was made for a lane.

    Args:
        client: On whose behalf it is opened: what the server asks meanwhile is asked there.
        client_info: The `clientInfo` of our handshake, as JSON.
        seconds: How long each step may take.
        expected: The tools it must have.
        known: The eras of the server; None for a handshake.

    Raises:
        CallFailure: It cannot be opened, or is another server than expected.
    """
    connection.audience.join(client)
    opened = False
    try:
        await connection.open(client_info, key.capabilities, seconds, known)
        if key.client is not None:
            await restoring.set_level(connection, key.client, seconds)
        if expected:
            await _compare(connection, expected, seconds)
        opened = True
    finally:
        if not opened:
            await connection.close()
    return connection


async def _compare(connection: Connection, expected: Set[str], seconds: float) -> None:
    listed = await read_tools(connection, Offer(), seconds, {})
    missing = sorted(expected - {tool.name for tool in listed})
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise CallFailure(
            Category.PROTOCOL,
            f"the server did not expose expected tool(s): {', '.join(missing[:SHOWN])}{more}. Here it lists "
            "others than on its main connection",
            started=False,
        )
