"""Every page of a server's listing, as lenient as clients of single servers are.

Called by `callmux.upstream.reading.lists` and whoever else lists; sends requests through a connection. A list
that is null is empty, a cursor that is empty or leads nowhere ends the list, and what was read before a page
failed counts.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol import caching
from callmux.protocol.caching import Freshness
from callmux.protocol.nulls import definition
from callmux.protocol.params import optional_text
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category

log = logging.getLogger(__name__)

MAX_PAGES = 1000
"""Pages of one listing that are followed: a server that never ends its list is broken."""

HINTS = frozenset({"cacheScope", "resultType", "ttlMs"})
"""What a page says of itself and not of what is listed (MCP 2026-07-28, server/utilities/caching)."""

_PAGE = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw] | None)
_NULL = Raw(b"null")


async def list_all(
    connection: Connection,
    method: str,
    member: str,
    seconds: float,
    beside: dict[str, bytes] | None = None,
    *,
    whole: bool = False,
    client: ClientPort | None = None,
) -> list[bytes]:
    """Every page of a listing: the raw definitions in order, each fit for strict clients.

    Args:
        method: Such as `tools/list`.
        member: Where the definitions stand in the result, such as `tools`.
        beside: Takes the other members of the pages, raw; the first page that has one decides.
        whole: Whether a later page that cannot be had is a failure, too.
        client: On whose behalf; None for what the connection declares.

    Raises:
        CallFailure: It refuses, or the link ended, or all pages together take longer than `seconds`.
    """
    end = asyncio.get_running_loop().time() + seconds
    found: list[bytes] = []
    cursor: str | None = None
    seen: set[str] = set()
    hold = Freshness()
    for number in range(1, MAX_PAGES + 1):
        params = msgspec.json.encode({"cursor": cursor}) if cursor is not None else None
        left = max(end - asyncio.get_running_loop().time(), 0.001)
        try:
            page = await connection.request(method, params, left, client)
            items, others, after = _read(method, member, page)
            if connection.stateless is not None:
                hold = hold.narrowed(caching.told(others))
                connection.staleness.holds(method, hold, asyncio.get_running_loop().time())
                others = {name: raw for name, raw in others.items() if name not in HINTS}
        except CallFailure as failure:
            if number == 1 or whole or not connection.live:
                raise
            log.warning(
                'could not ask "%s" for page %d of %s: %s', connection.name, number, method, failure.cause
            )
            return found
        if beside is not None:
            beside.update({name: raw for name, raw in others.items() if name not in beside})
        if after in seen:
            # It gives the same page for ever; what is on it already is not there twice.
            known = set(found)
            found.extend(raw for raw in items if raw not in known)
            log.warning(
                'could not ask "%s" for all pages of %s: it gives the same cursor twice',
                connection.name,
                method,
            )
            return found
        found.extend(items)
        if not after:
            return found
        seen.add(after)
        cursor = after
    log.warning(
        'could not ask "%s" for all pages of %s: it has more than %d', connection.name, method, MAX_PAGES
    )
    return found


def _read(method: str, member: str, result: bytes) -> tuple[list[bytes], dict[str, bytes], str | None]:
    """The definitions on a page, what stands beside them, and the cursor of the next page."""
    try:
        page = _PAGE.decode(result)
        raws = _ITEMS.decode(page.pop(member, _NULL)) or []
    except msgspec.MsgspecError as error:
        raise CallFailure(Category.PROTOCOL, f"its {method} cannot be read: {error}") from None
    after = optional_text(page.pop("nextCursor", _NULL))
    items = [item for raw in raws if (item := definition(member, bytes(raw))) is not None]
    return items, {name: bytes(raw) for name, raw in page.items() if bytes(raw) != b"null"}, after
