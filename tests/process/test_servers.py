"""A process has its servers, and ends all that works for them."""

from __future__ import annotations

from pathlib import Path

from callmux.clock import Clock
from callmux.config.servers import HttpServer
from callmux.config.traffic import ReconnectPolicy
from callmux.observe.bus import Bus
from callmux.process.servers import supply
from callmux.upstream.opening.reconnect import Timing


async def test_a_server_of_the_pool_is_tried_again_once_somebody_has_signed_in(tmp_path: Path) -> None:
    made = supply({"XDG_STATE_HOME": str(tmp_path)}, tmp_path, lambda *_: None, Clock(), Bus())
    server = made.pool.lease("s", HttpServer(url="x"), Timing(1.0, ReconnectPolicy()))
    await server.settled()
    assert server.health.attempts == 1
    made.pool.retry("another")
    made.pool.retry("s")
    await server.settled()
    await made.close()
    assert made.private == set()
