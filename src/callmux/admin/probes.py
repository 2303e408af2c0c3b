"""`/health` and `/ready`.

Called through the routes that `callmux.serving.assembly` gives to the HTTP application.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sized
from typing import Any

from callmux import __version__
from callmux.guard.principal import Principal
from callmux.transport.http.exchange import Exchange, Route


def probe_routes(
    sessions: Sized,
    readiness: Callable[[], Awaitable[str]],
    status: Callable[[Principal | None], dict[str, Any]],
    shares: Callable[[], bool] | None = None,
) -> dict[str, Route]:
    """The routes by path.

    Args:
        sessions: The sessions there are.
        readiness: Gives `ok`, `degraded` or `down`, once every server is up or has failed.
        status: Gives what `callmux_status` shows to somebody.
        shares: Says whether what several listeners share can be reached; None where nothing is shared.
    """

    async def health(exchange: Exchange) -> None:
        facts = {"status": "ok", "sessions": len(sessions), "version": __version__, "pid": os.getpid()}
        await exchange.answer_json(200, facts)

    async def ready(exchange: Exchange) -> None:
        state = await readiness()
        facts = {"status": state, "sessions": len(sessions), "downstream": status(exchange.principal)}
        if shares is not None:
            # It changes no status: it is away for all listeners, and somebody must serve.
            facts["state"] = "connected" if shares() else "unavailable"
        await exchange.answer_json(200 if state == "ok" else 503, facts)

    return {"/health": health, "/ready": ready}
