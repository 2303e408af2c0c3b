"""/health and /ready."""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

import pytest

from callmux import __version__
from callmux.admin.probes import probe_routes
from callmux.guard.principal import Principal
from callmux.transport.http.exchange import Exchange
from tests.support import play, settle


class FakeExchange:
    principal = Principal(kind="bearer", id="ann")

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []

    async def answer_json(self, status: int, value: Any, headers: Any = None) -> None:
        self.answers.append((status, value))


class Desk:
    """Probes of two sessions and servers in a given state, which `settled` lets be known."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.asked = 0
        self.settled = asyncio.Event()
        self.sessions = ["a", "b"]
        self.routes = probe_routes(
            self.sessions, self.readiness, lambda who: {"servers": self.state, "to": who and who.id}
        )

    async def readiness(self) -> str:
        self.asked += 1
        await self.settled.wait()
        return self.state

    async def get(self, path: str) -> tuple[int, Any]:
        exchange = FakeExchange()
        await self.routes[path](cast(Exchange, exchange))
        [answer] = exchange.answers
        return answer


def test_health_says_who_runs_and_asks_no_server() -> None:
    desk = Desk("down")
    facts = {"status": "ok", "sessions": 2, "version": __version__, "pid": os.getpid()}
    assert play(desk.get("/health")) == (200, facts)
    assert desk.asked == 0


@pytest.mark.parametrize(("state", "status"), [("ok", 200), ("degraded", 503), ("down", 503)])
def test_ready_is_200_only_where_every_server_is_up(state: str, status: int) -> None:
    desk = Desk(state)
    desk.settled.set()
    facts = {"status": state, "sessions": 2, "downstream": {"servers": state, "to": "ann"}}
    assert play(desk.get("/ready")) == (status, facts)


async def test_ready_answers_once_the_servers_have_settled_with_what_is_so_then() -> None:
    desk = Desk("ok")
    asking = asyncio.create_task(desk.get("/ready"))
    await settle()
    assert not asking.done()
    desk.sessions.clear()
    desk.settled.set()
    status, facts = await asking
    assert (status, facts["sessions"]) == (200, 0)


@pytest.mark.parametrize(("up", "shown"), [(True, "connected"), (False, "unavailable")])
async def test_ready_says_whether_what_is_shared_can_be_reached_and_stays_ready(up: bool, shown: str) -> None:
    async def ready() -> str:
        return "ok"

    exchange = FakeExchange()
    routes = probe_routes([], ready, lambda who: {}, lambda: up)
    await routes["/ready"](cast(Exchange, exchange))
    [(status, facts)] = exchange.answers
    assert (status, facts["state"]) == (200, shown)
