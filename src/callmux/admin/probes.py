"""`/health` and `/ready`.

Called through the routes that `callmux.cli.listen` gives to the HTTP application.
"""

from __future__ import annotations

import os

from callmux import __version__
from callmux.host import Host
from callmux.transport.http.exchange import Exchange, Route
from callmux.transport.http.listener import Listener


def probe_routes(host: Host, listener: Listener) -> dict[str, Route]:
    """The routes by path."""

    async def health(exchange: Exchange) -> None:
        facts = {"status": "ok", "sessions": len(listener.table), "version": __version__, "pid": os.getpid()}
        await exchange.answer_json(200, facts)

    async def ready(exchange: Exchange) -> None:
        # Whoever asks this at the start wants to know when it is, so the answer waits for the servers.
        host.start(None)
        await host.runtime.settled()
        down = host.runtime.failed()
        none_up = all(not s.suite.listed for s in host.runtime.servers.values())
        state = "ok" if not down else "down" if none_up else "degraded"
        facts = {"status": state, "sessions": len(listener.table), "downstream": host.full_status()}
        await exchange.answer_json(200 if state == "ok" else 503, facts)

    return {"/health": health, "/ready": ready}
