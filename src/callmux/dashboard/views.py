"""What the dashboard shows beside the snapshot, each at an address of its own: tools, sessions, what runs.

Made by `callmux.dashboard.pages`, which has checked that whoever asks may look.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.dashboard.entry import FrontDoor
from callmux.dashboard.kept import DashboardState
from callmux.dashboard.session_views import sessions
from callmux.dashboard.tool_views import listed, one
from callmux.metatools.meta_tool import definitions
from callmux.observe.chronicle import Chronicle
from callmux.observe.wording import said
from callmux.process.host import Host
from callmux.timestamps import iso
from callmux.transport.http.exchange import Exchange, Refusal

MOST_RECENT = 1000
"""Events of one page of them."""
LONGEST = 300
LONGEST_LINE = 4000
"""Characters of what others wrote: a name, a line."""
START_SECONDS = 10.0
"""How long a list of tools waits for servers that are still starting."""
NO_STORE = {"cache-control": "no-store"}

Page: TypeAlias = Callable[[Exchange], Awaitable[None]]


class DashboardViews:
    """The views of one configuration.

    Args:
        config: The configuration.
        host: Runs the servers.
        chronicle: Knows what has happened.
        kept: What stays while configurations come and go.
        entry: Knows who looks.
        clock: Time.
    """

    def __init__(
        self,
        config: Config,
        host: Host,
        chronicle: Chronicle,
        kept: DashboardState,
        entry: FrontDoor,
        clock: Clock,
    ) -> None:
        self._config = config
        self._host = host
        self._chronicle = chronicle
        self._kept = kept
        self._entry = entry
        self._clock = clock

    def pages(self) -> Mapping[str, Page]:
        """The views by their addresses."""
        return {
            "/recent": self._recent,
            "/live": self._json(self._kept.live.shown),
            "/sessions": self._json(lambda: sessions(self._host, self._clock)),
            "/changes": self._json(self._kept.changes.shown),
            "/tools": self._tools,
            "/tool": self._tool,
            "/waiting": self._waiting,
            "/log": self._log,
        }

    def _json(self, make: Callable[[], dict[str, Any]]) -> Page:
        """A page that shows what is there now."""

        async def page(exchange: Exchange) -> None:
            await exchange.answer_json(200, make(), NO_STORE)

        return page

    async def _recent(self, exchange: Exchange) -> None:
        recent = self._chronicle.recent
        if recent is None:
            raise Refusal(404, "Not found")
        before, limit = _number(exchange, "before", sys.maxsize), _number(exchange, "limit", MOST_RECENT)
        found = recent.page(before, min(limit, MOST_RECENT))
        await exchange.answer_json(200, found, NO_STORE)

    async def _tools(self, exchange: Exchange) -> None:
        runtime = self._host.runtime
        await runtime.settled_within(START_SECONDS)
        own = definitions() if self._config.expose_meta_tools else []
        found = listed(runtime.indexes.catalogue().entries, own)
        await exchange.answer_json(200, {"tools": found}, NO_STORE)

    async def _tool(self, exchange: Exchange) -> None:
        runtime, name = self._host.runtime, exchange.query("name") or ""
        await runtime.settled_within(START_SECONDS)
        listing = runtime.lists.current_listing()
        found = one(name, runtime.indexes.catalogue().entries, listing)
        if found is None:
            raise Refusal(404, f'there is no tool "{said(name, LONGEST)}"')
        await exchange.answer_json(200, found, NO_STORE)

    async def _waiting(self, exchange: Exchange) -> None:
        whole = not self._entry.powers(exchange).approve
        await exchange.answer_json(200, self._kept.waiting.shown(whole=whole), NO_STORE)

    async def _log(self, exchange: Exchange) -> None:
        output, server = self._host.output, exchange.query("server") or ""
        lines = output.after(server, _number(exchange, "after", 0))
        shown = [
            {"number": line.number, "at": iso(line.time), "text": said(line.text, LONGEST_LINE)}
            for line in lines
        ]
        await exchange.answer_json(200, {"server": server, "lines": shown, "last": output.last}, NO_STORE)


def _number(exchange: Exchange, name: str, otherwise: int) -> int:
    """A number in the query."""
    text = exchange.query(name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else otherwise
