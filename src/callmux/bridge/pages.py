"""What a listener gives, as strict clients take it: the pages of a list, and single results.

Called by `callmux.bridge.relay`. The listener may be any MCP server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Raw

from callmux.bridge.failures import LinkFailure
from callmux.bridge.listings import LISTS, next_cursor
from callmux.protocol import nulls
from callmux.protocol.jsonrpc import Failure, Response


class AskedLink(Protocol):
    """The link, as far as this knows it."""

    async def request(
        self, method: str, params: bytes | Raw | None, seconds: float
    ) -> Response | Failure: ...


async def pages_of(
    link: Callable[[], AskedLink | None], seconds: float, method: str, count: int
) -> list[bytes]:
    """The first `count` pages of a list; none where they cannot be had.

    Args:
        link: Gives the link that can be used now, or None.
        seconds: How long each page may take.
    """
    pages: list[bytes] = []
    cursor: str | None = None
    while len(pages) < count:
        way = link()
        if way is None:
            return []
        params = None if cursor is None else msgspec.json.encode({"cursor": cursor})
        try:
            answer = await way.request(method, params, seconds)
        except LinkFailure:
            return []
        if isinstance(answer, Failure):
            return []
        pages.append(nulls.page(LISTS[method][0], bytes(answer.result)))
        cursor = next_cursor(pages[-1])
        if cursor is None:
            break
    return pages


def fit(result: Raw) -> bytes | Raw:
    """A result without what strict clients refuse."""
    if memoryview(result).nbytes > nulls.LARGEST:
        return result
    given = bytes(result)
    return b"{}" if given == b"null" else nulls.without_nulls(given)
