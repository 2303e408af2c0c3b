"""Sends a person to the addresses that a server of MCP 2025-11-25 names before it takes a call. A call stage.

Such a server refuses the call with an error that names them (client/elicitation, "URL Elicitation Required
Error"), and its client calls again once the person is done. MCP 2026-07-28 has no such error: a client of
that revision is asked to open the addresses, its request waits, and the call is made again here. Who does
not open addresses gets the error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.errors import CallmuxError, ToolCallFailed
from callmux.protocol.elicitation import URL, modes
from callmux.protocol.jsonrpc import RpcError, read_error
from callmux.protocol.methods import MAY_ASK
from callmux.protocol.versions import MODERN
from callmux.rings.call import Call
from callmux.rings.converting import URL_ELICITATION_REQUIRED
from callmux.rings.ring import nobody, run
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.upstream.server import Server

MOST_ADDRESSES = 10
"""Addresses that one refusal may name."""
MOST_VISITS = 8
"""How often a server may send a person elsewhere before it takes one call."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between two calls while a person is at an address, the last one again and again: the server need
not tell when he is done."""


class Address(msgspec.Struct, frozen=True, rename="camel"):
    """Where a person is to go.

    Attributes:
        elicitation_id: What the server calls the visit.
        message: Why, for him.
    """

    url: str
    message: str = ""
    elicitation_id: str = ""


class _Data(msgspec.Struct):
    elicitations: list[Address] = []


_DATA = msgspec.json.Decoder(_Data)


class Visiting:
    """Call stage: a person opens addresses.

    Args:
        servers: All servers by name.
    """

    only_failures = True

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers

    def concerns(self, route: Route) -> bool:
        """Whether its client can be asked in the middle of it."""
        return route.method in MAY_ASK

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        named = named_by(outcome)
        if not named or not opens_in_the_middle(call.context.client):
            return outcome
        return self._visit(call, outcome, named)

    async def _visit(self, call: Call, outcome: Outcome, named: Sequence[Address]) -> Outcome:
        for _ in range(MOST_VISITS):
            if not await opened(call.context.client, named):
                return outcome
            outcome, over = await self._after(call, named)
            further = named_by(outcome)
            if not further or not over:
                return outcome
            named = further
        return outcome

    async def _after(self, call: Call, named: Sequence[Address]) -> tuple[Outcome, bool]:
        """What the call brings now that a person was sent to these addresses, and whether the server says
        that he is done there."""
        loop = asyncio.get_running_loop()
        end, visits = loop.time() + call.seconds, self._servers[call.server].questions.visits
        pauses = chain(PAUSES, repeat(PAUSES[-1]))
        ids = {one.elicitation_id for one in named}
        while True:
            outcome = await anew(call)
            if not named_by(outcome):
                return outcome, True
            left = end - loop.time()
            if left <= 0:
                return outcome, False
            if await visits.wait(ids, min(next(pauses), left)):
                return await anew(call), True


def named_by(outcome: Outcome) -> Sequence[Address]:
    """The addresses that a server names in place of taking a call; none where it does not."""
    if not isinstance(outcome, ToolCallFailed) or outcome.rpc is None:
        return ()
    error = read_error(Raw(outcome.rpc))
    if error.code != URL_ELICITATION_REQUIRED or not isinstance(error.data, Raw):
        return ()
    try:
        return _DATA.decode(error.data).elicitations[:MOST_ADDRESSES]
    except msgspec.MsgspecError:
        return ()


def opens_in_the_middle(client: ClientPort) -> bool:
    """Whether a client opens addresses for its person while its request waits (MCP 2026-07-28,
    basic/patterns/mrtr)."""
    return client.version in MODERN and client.parks and URL in modes(client.capabilities)


async def opened(client: ClientPort, named: Sequence[Address]) -> bool:
    """Whether the person at a client opens all of these addresses."""

    async def one(address: Address) -> bool:
        told = {"mode": "url", "url": address.url, "message": address.message}
        try:
            answer = await client.ask("elicitation/create", msgspec.json.encode(told))
        except RpcError:
            return False
        return _action(answer) == "accept"

    return all(await asyncio.gather(*map(one, named)))


class _Answer(msgspec.Struct):
    action: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)


def _action(answer: bytes | Raw) -> str:
    try:
        return _ANSWER.decode(answer).action
    except msgspec.MsgspecError:
        return ""


async def anew(call: Call) -> Outcome:
    """What a call brings that is made once more, by the stages further in than the one that asks."""
    loop = asyncio.get_running_loop()
    again = Call(
        call.context,
        call.route,
        call.stages.within(call.depth + 1),
        nobody,
        call.target,
        call.asked,
        call.seconds,
        loop.time() + call.seconds,
        call.arguments,
        call.key,
        call.no_params,
    )
    again.paused, again.makes_task = True, call.makes_task
    try:
        return await run(again)
    except CallmuxError as failure:
        return failure
