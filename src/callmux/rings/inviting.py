"""Shows a client how its person can sign in to the server that a call needs. A call stage.

Made by `callmux.process.runtime` where no listener has to tell its clients apart. A client that opens
addresses for its person gets one of this machine: in the JSON-RPC error that MCP 2025-11-25 has for it, or,
by MCP 2026-07-28, in a question in the middle of its request, which goes on once he has signed in. All others
get the failure as it is, which names the command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from callmux.config.servers import HttpServer
from callmux.context import ClientPort
from callmux.errors import SignInRequired, UpstreamUnavailable
from callmux.protocol.elicitation import URL, modes
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.rings.visiting import Address, anew, opened, opens_in_the_middle
from callmux.tasks import at_once
from callmux.upstream.visits import Visits

REVISION = "2025-11-25"
"""The one that has such an error."""
SIGN_IN_SECONDS = 600.0
"""How long a person may take to sign in while the request of his client waits."""
CONNECTING = (0.2, 0.5, 1.0, 2.0, 4.0, 0.0)
"""Seconds between two calls once he has: the server is connected meanwhile."""

Invite: TypeAlias = Callable[[str, HttpServer, ClientPort], Awaitable[dict[str, Any] | None]]
"""Gives what a client shows its person, by a server's name, its entry and the client; None for nothing."""


class Inviting:
    """Call stage: a person is shown the way in.

    Args:
        servers: The servers at a URL.
        invite: Opens the way.
        visits: Tells when somebody has gone it.
    """

    only_failures = True

    def __init__(self, servers: Mapping[str, HttpServer], invite: Invite, visits: Visits) -> None:
        self._servers = servers
        self._invite = invite
        self._visits = visits

    def concerns(self, route: Route) -> bool:
        """Whether its server may want a sign-in."""
        return route.server in self._servers

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        client = call.context.client
        if not isinstance(outcome, SignInRequired):
            return outcome
        if opens_in_the_middle(client):
            return self._let_in(call, outcome)
        if client.version != REVISION or URL not in modes(client.capabilities):
            return outcome
        return self._shown(call, outcome)

    async def _let_in(self, call: Call, failure: SignInRequired) -> Outcome:
        """What the call brings once the person has signed in; the failure where he does not."""
        server, client = call.server, call.context.client
        way = await self._invite(server, self._servers[server], client)
        if way is None:
            return failure
        address = Address(way["url"], way["message"], way["elicitationId"])
        # He may be done before his client says that he has begun.
        done = at_once(self._visits.wait({address.elicitation_id}, SIGN_IN_SECONDS))
        try:
            if not await opened(client, [address]) or not await done:
                return failure
        finally:
            done.cancel()
        outcome: Outcome = failure
        for pause in CONNECTING:
            outcome = await anew(call)
            if not isinstance(outcome, SignInRequired | UpstreamUnavailable):
                break
            await asyncio.sleep(pause)
        return outcome

    async def _shown(self, call: Call, failure: SignInRequired) -> Outcome:
        server = call.server
        failure.invitation = await self._invite(server, self._servers[server], call.context.client)
        return failure
