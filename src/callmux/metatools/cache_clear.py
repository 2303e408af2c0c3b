"""`callmux_cache_clear`: forget stored results.

Called through `callmux.metatools.table`. Calls the cache's store; what a name means, the catalogue knows.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import msgspec

from callmux import names
from callmux.context import CallContext
from callmux.errors import CallmuxError
from callmux.fields import Fields
from callmux.metatools.definitions import TEXT, closed, definition
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import success
from callmux.upstream.catalogue import Catalogue

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_cache_clear"

DEFINITION = definition(
    NAME,
    "Forget cached results: all, or those of a tool (or pattern with *), a server, or both.",
    closed({"tool": TEXT, "server": TEXT}),
    {"destructiveHint": False, "idempotentHint": True},
)


class Chosen(msgspec.Struct, frozen=True):
    """Which results; None for any."""

    tool: str | None
    server: str | None


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed.
    """
    return Plan(name=NAME, options=Chosen(fields.optional_text("tool"), fields.optional_text("server")))


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Forgets them and says how many they were.

    Raises:
        StoreUnavailable: Nobody knows whether they are forgotten.
    """
    chosen: Chosen = plan.options
    count = await forget(chosen, engine, context)
    if chosen.tool is None and chosen.server is None:
        return success({"cleared": count, "scope": "all", "previousSize": count})
    payload: dict[str, Any] = {"cleared": count}
    if chosen.tool is not None:
        payload["tool"] = chosen.tool
    if chosen.server is not None:
        payload["server"] = chosen.server
    scope = "tool" if chosen.server is None else "server" if chosen.tool is None else "tool-server"
    return success(payload | {"scope": scope})


async def forget(chosen: Chosen, engine: Engine, context: CallContext | None = None) -> int:
    """Forgets results; gives their number.

    Args:
        context: Whose request it is; None for the operator, to whom all of them belong.

    Raises:
        StoreUnavailable: Nobody knows whether they are forgotten.
    """
    now = engine.clock.monotonic()
    # What callers with other rights have read is theirs.
    rights = None if engine.sight is None or context is None else engine.sight.digest(context)
    if chosen.tool is None and chosen.server is None:
        return await _cleared(engine.cache.clear(None, now, rights))
    catalogue = engine.catalogue() if context is None else engine.seen_by(context)
    matcher = _Matcher(chosen, catalogue)
    return await _cleared(engine.cache.clear(matcher.matches, now, rights))


async def _cleared(count: int | Awaitable[int]) -> int:
    if isinstance(count, int):
        return count
    from callmux.stores.border import Border

    return await Border("the cache").answered(count)


class _Matcher:
    """Says whether a server's key and a bare name are meant, however the caller spelled them."""

    def __init__(self, chosen: Chosen, catalogue: Catalogue) -> None:
        self._server = chosen.server
        self._pattern = None if chosen.tool is None else names.pattern([chosen.tool])
        self._exact: tuple[str, str] | None = None
        self._emitted = {(e.server, e.tool.name): e.emitted for e in catalogue.entries}
        if chosen.tool is not None:
            try:
                found = catalogue.find(chosen.tool, chosen.server)
                self._exact = found.server, found.bare
            except CallmuxError:
                # A name that leads nowhere, or to several tools, still means whatever was stored under it.
                self._exact = None

    def matches(self, server: str, bare: str) -> bool:
        if self._server is not None and server != self._server:
            return False
        if self._pattern is None or self._exact == (server, bare):
            return True
        spelled = [*names.spellings(server, bare), self._emitted.get((server, bare), bare)]
        return any(map(self._pattern.fullmatch, spelled))
