"""Shows a client how its person can sign in to the server that a call needs. A call stage, the outermost one.

Made by `callmux.process.runtime` where no listener has to tell its clients apart. A client that opens
addresses for its person gets one of this machine, in the JSON-RPC error that MCP 2025-11-25 has for it; all
others get the failure as it is, which names the command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from callmux.config.servers import HttpServer
from callmux.context import ClientPort
from callmux.errors import SignInRequired
from callmux.protocol.elicitation import URL, modes
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome

REVISION = "2025-11-25"
"""The one that has such an error."""

Invite: TypeAlias = Callable[[str, HttpServer, ClientPort], Awaitable[dict[str, Any] | None]]
"""Gives what a client shows its person, by a server's name, its entry and the client; None for nothing."""


class Inviting:
    """Call stage: a person is shown the way in.

    Args:
        servers: The servers at a URL.
        invite: Opens the way.
    """

    only_failures = True

    def __init__(self, servers: Mapping[str, HttpServer], invite: Invite) -> None:
        self._servers = servers
        self._invite = invite

    def concerns(self, route: Route) -> bool:
        """Whether its server may want a sign-in."""
        return route.server in self._servers

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        client = call.context.client
        if (
            not isinstance(outcome, SignInRequired)
            or client.version != REVISION
            or URL not in modes(client.capabilities)
        ):
            return outcome
        return self._shown(call, outcome)

    async def _shown(self, call: Call, failure: SignInRequired) -> Outcome:
        server = call.server
        failure.invitation = await self._invite(server, self._servers[server], call.context.client)
        return failure
