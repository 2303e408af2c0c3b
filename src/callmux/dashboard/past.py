"""Past calls and how long they took, for the page.

Made by `callmux.dashboard.pages`; asks `callmux.observe.past_calls` in a thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from callmux.aside import aside
from callmux.clock import Clock
from callmux.observe.chronicle import Chronicle
from callmux.observe.event_query import drilldown, limit_of
from callmux.observe.history import RANGES, TIERS, USUAL, span
from callmux.observe.past_calls import CallSearch, latency, past_calls
from callmux.transport.http.exchange import Exchange, Refusal

QUERY_SECONDS = 30.0
NO_STORE = {"cache-control": "no-store"}
AT_A_TIME = 4
"""Queries at the same time, each in a thread of its own; others wait."""
OFF = "eventStore.enabled is false"


class PastPages:
    """What the event store tells, call by call.

    Args:
        chronicle: Has the event store.
        clock: Time.
    """

    def __init__(self, chronicle: Chronicle, clock: Clock) -> None:
        self._chronicle = chronicle
        self._wall = clock.wall
        self._turns = asyncio.Semaphore(AT_A_TIME)

    def pages(self) -> dict[str, Callable[[Exchange], Awaitable[None]]]:
        """The pages by their addresses below that of the dashboard."""
        return {
            "/calls": self.calls,
            "/latency": self.latency,
            "/call": self.call,
            "/drilldown": self.drilldown,
        }

    async def drilldown(self, exchange: Exchange) -> None:
        """The calls of a time, by all that they have."""
        range, begin, end = self.range_of(exchange)
        limit = limit_of(exchange.query("limit"))
        found = await self._asked(lambda path: drilldown(path, begin, end, limit))
        if found["enabled"] and (store := self._chronicle.store) is not None:
            found |= {"range": range, "from": round(begin * 1000), "to": round(end * 1000)}
            found["store"] = store.facts()
        await exchange.answer_json(200, found, NO_STORE)

    async def calls(self, exchange: Exchange) -> None:
        """The calls of a time that fit the filters, newest first."""
        _, begin, end = self.range_of(exchange)
        before = exchange.query("before")
        if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
            raise Refusal(400, "before must be the `next` of an earlier page")
        texts = {name: exchange.query(name) or "" for name in _FILTERS}
        search = CallSearch(
            begin=begin,
            end=end,
            text=exchange.query("q") or "",
            before=None if before is None else int(before),
            limit=limit_of(exchange.query("limit")),
            **texts,
        )
        await self._answer(exchange, lambda path: past_calls(path, search))

    async def latency(self, exchange: Exchange) -> None:
        """How long calls took, over a range."""
        range, begin, end = self.range_of(exchange)
        step = TIERS[RANGES[range]][0]
        await self._answer(exchange, lambda path: latency(path, begin, end, step))

    async def call(self, exchange: Exchange) -> None:
        """The calls that one request made, where it made several."""
        shown = self._chronicle.fan_outs.shown(exchange.query("id") or "")
        await exchange.answer_json(200, shown, NO_STORE)

    def range_of(self, exchange: Exchange) -> tuple[str, float, float]:
        """The range that is asked for, its begin and its end."""
        asked = exchange.query("range")
        range = asked if asked in RANGES else USUAL
        now = self._wall()
        return range, *span(range, now, midnight(now))

    async def _answer(self, exchange: Exchange, look: Callable[[Path], dict[str, Any]]) -> None:
        await exchange.answer_json(200, await self._asked(look), NO_STORE)

    async def _asked(self, look: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        store = self._chronicle.store
        if store is None:
            return {"enabled": False, "reason": OFF}
        known = store

        def flushed() -> dict[str, Any]:
            known.flush()
            return look(known.path)

        try:
            async with self._turns:
                return {"enabled": True, **await aside(flushed, QUERY_SECONDS)}
        except TimeoutError:
            return {"enabled": False, "reason": "the event store did not answer in time"}
        except sqlite3.Error as error:
            why = store.problem or str(error)
            return {"enabled": False, "reason": f"the event store cannot be read: {why}"}


_FILTERS = ("server", "tool", "session", "principal", "status")


def midnight(now: float) -> float:
    """When this day began where we are."""
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))
