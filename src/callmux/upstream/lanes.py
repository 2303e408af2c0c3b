"""Which connection a client's call takes. Pure.

Called by `callmux.upstream.server`. The rules, and why (MCP 2025-11-25, basic/lifecycle and client/*):

- A server is told what the real client can do, so clients that declare different capabilities never share
  a connection.
- A server that asks its clients things gets a connection per client, so that no question, and no answer,
  can ever reach the wrong one; so does a client that set a log level, because logs name no request.
- Everybody else shares.
"""

from __future__ import annotations

import msgspec

from callmux.context import ClientPort


class LaneKey(msgspec.Struct, frozen=True):
    """What a connection is for.

    Attributes:
        capabilities: What is declared on it, as canonical JSON.
        client: The one client it serves; None where it is shared.
    """

    capabilities: bytes
    client: ClientPort | None = None


def choose_lane(client: ClientPort, main: bytes, owner: ClientPort | None, *, asking: bool) -> LaneKey | None:
    """The lane for `client`; None for the main one.

    Args:
        main: What is declared on the main connection.
        owner: The only client the main connection serves, if it has turned out to be so.
        asking: The server has asked a client something before.
    """
    if owner is client:
        return None
    if owner is None and client.capabilities == main and not client.own_lanes and not asking:
        return None
    private = asking or client.own_lanes
    return LaneKey(client.capabilities, client if private else None)
