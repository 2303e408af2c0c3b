"""Which servers a client's message goes to, before it is carried out: their limits of a body count. Pure.

Called by `callmux.process.host` for the HTTP transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Raw

from callmux.protocol.jsonrpc import Batch, Request, parse


def addressed(body: bytes, servers_of: Callable[[Raw | None], Iterable[str]]) -> list[str]:
    """The servers that a tool call goes to, or a batch of them; none for anything else.

    Args:
        servers_of: Gives those of one call by its params.
    """
    message = parse(body)
    parts = message.messages if isinstance(message, Batch) else [message]
    calls = [part for part in parts if isinstance(part, Request) and part.method == "tools/call"]
    return [server for call in calls for server in servers_of(call.params)]
