"""Reads what a server offers from an open connection: every list, every page.

Called by `callmux.upstream.opening.attempt` and `callmux.upstream.inventory.inventory`.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec
from msgspec import UNSET, Raw

from callmux.config.veil import NOTHING, Veil
from callmux.context import ClientPort
from callmux.protocol.jsonrpc import METHOD_NOT_FOUND
from callmux.protocol.shapes import Tool
from callmux.protocol.upstream_peer import InitializeResult
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.inventory.offer import KINDS, TOOLS_CHANGED, Item, ListKind, Offer, read_items
from callmux.upstream.reading.paging import list_all

log = logging.getLogger(__name__)

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str | None)


async def read_all(
    connection: Connection, init: InitializeResult, seconds: float, client: ClientPort | None = None
) -> tuple[tuple[Tool, ...], Offer]:
    """Everything the server offers.

    Args:
        seconds: For each list.
        client: To whom; None for what the connection declares.

    Raises:
        CallFailure: It does not list its tools.
    """
    connection.staleness.lists.clear()
    veil: Veil = getattr(connection.link, "veil", NOTHING)
    offer = Offer(
        capabilities={k: v.copy() for k, v in init.capabilities.items()},
        instructions=_TEXT.decode(veil.hide_listed(msgspec.json.encode(init.instructions))),
        server_info=None if init.server_info is UNSET else veil.hide_listed(bytes(init.server_info)),
        others=init.others,
    )
    kinds = [kind for kind in KINDS if offer.has(kind.capability)]
    beside: dict[str, dict[str, bytes]] = {name: {} for name in ("tools", *(k.member for k in kinds))}
    tools, lists = await asyncio.gather(
        read_tools(connection, offer, seconds, beside["tools"], client=client),
        asyncio.gather(
            *(read_kind(connection, kind, seconds, beside[kind.member], client=client) for kind in kinds)
        ),
    )
    found = {name: others for name, others in beside.items() if others}
    return tools, msgspec.structs.replace(offer, items=dict(zip(kinds, lists, strict=True)), beside=found)


async def read_tools(
    connection: Connection,
    offer: Offer,
    seconds: float,
    beside: dict[str, bytes],
    *,
    whole: bool = False,
    client: ClientPort | None = None,
) -> tuple[Tool, ...]:
    """Its tools; none where it declares other capabilities but not this one.

    Args:
        beside: Takes what stands beside them.
        whole: Whether the first pages alone do not count.
        client: To whom it lists them.

    Raises:
        CallFailure: It does not list them.
    """
    if offer.capabilities and not offer.has("tools"):
        return ()
    tools = []
    raws = await list_all(connection, "tools/list", "tools", seconds, beside, whole=whole, client=client)
    for raw in _without_secrets(connection, raws, "name"):
        try:
            tools.append(Tool(raw))
            if connection.stateless is not None:
                connection.stateless.check(tools[-1])
        except msgspec.MsgspecError as error:
            log.warning('could not read a tool that "%s" lists: %s', connection.name, error)
        except ValueError as error:
            log.warning('the tool "%s" of "%s" is left out: %s', tools.pop().name, connection.name, error)
    return tuple(tools)


async def read_kind(
    connection: Connection,
    kind: ListKind,
    seconds: float,
    beside: dict[str, bytes],
    before: tuple[Item, ...] = (),
    *,
    client: ClientPort | None = None,
) -> tuple[Item, ...]:
    """One other list; a server that declares it and cannot give it does without, and its tools go on.

    Args:
        beside: Takes what stands beside the items.
        before: What it listed before, which stays where the list cannot be had whole.
        client: To whom it lists them.
    """
    try:
        whole = bool(before)
        raws = await list_all(
            connection, kind.method, kind.member, seconds, beside, whole=whole, client=client
        )
    except CallFailure as failure:
        if failure.rpc is None or failure.rpc.code != METHOD_NOT_FOUND:
            log.warning('could not ask "%s" for %s: %s', connection.name, kind.method, failure.cause)
            return before
        return ()
    return read_items(kind, _without_secrets(connection, raws, kind.key))


def _without_secrets(connection: Connection, raws: list[bytes], key: str) -> list[bytes]:
    """Definitions in which a server does not repeat what it was started with; `key` stays as it is: it is
    asked for by that."""
    veil: Veil | None = getattr(connection.link, "veil", None)
    if veil is None:
        return raws
    shown = []
    for raw in raws:
        hidden = veil.hide_listed(raw)
        if hidden is not raw:
            members, before = _MEMBERS.decode(hidden), _MEMBERS.decode(raw)
            if (named := before.get(key)) is not None and bytes(named) != bytes(members.get(key, Raw())):
                hidden = msgspec.json.encode({**members, key: named})
        shown.append(hidden)
    return shown


async def reread(
    connection: Connection, stale: set[str], tools: tuple[Tool, ...], offer: Offer, seconds: float
) -> tuple[tuple[Tool, ...], Offer]:
    """What the server offers now, after list changes; what cannot be read stays as it was.

    Args:
        stale: The notifications that said so.
        tools, offer: What it offered before.
    """
    if TOOLS_CHANGED in stale:
        try:
            beside: dict[str, bytes] = {}
            tools = await read_tools(connection, Offer(), seconds, beside, whole=bool(tools))
            offer = offer.with_beside("tools", beside)
        except CallFailure as failure:
            log.warning('could not list the changed tools of "%s": %s', connection.name, failure.cause)
    for kind in KINDS:
        if kind.changed in stale:
            beside = {}
            before = offer.items.get(kind, ())
            items = await read_kind(connection, kind, seconds, beside, before)
            offer = offer.with_items(kind, items, beside)
    return tools, offer
