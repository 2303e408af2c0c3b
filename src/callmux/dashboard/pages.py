"""The addresses of the dashboard: the page, a snapshot, a stream of events, counts over time, past calls.

Made by `callmux.serving.trees` for the HTTP application. Everything here only reads. Where the configuration
has rules, whoever looks must be allowed the name `callmux_dashboard` by them: what is shown is of everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from callmux.aside import aside
from callmux.clock import Clock
from callmux.config.model import Config
from callmux.dashboard.built import FOLDER, document, files
from callmux.dashboard.reference import reference
from callmux.guard.gate import route_of
from callmux.observe.chronicle import Chronicle
from callmux.observe.event_query import drilldown, limit_of
from callmux.observe.history import RANGES, USUAL, span
from callmux.observe.recent import words_of
from callmux.process.host import Host
from callmux.protocol.sse import event as frame
from callmux.tasks import at_once
from callmux.timestamps import iso
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Refusal

RIGHT = "callmux_dashboard"
"""The name that rules know the dashboard by."""
MOST_FRAME = 256 * 1024
MOST_WAITING = 1000
"""Events that wait for a browser that reads slowly; then it is told to begin anew."""
GATHER_SECONDS = 0.1
KEEPALIVE_SECONDS = 15.0
QUERY_SECONDS = 30.0
START_SECONDS = 10.0
"""How long a snapshot waits for servers that are still starting."""
NO_STORE = {"cache-control": "no-store"}
_OF_QUESTIONS = ("id", "client", "principal", "directory", "waitsSeconds", "leftSeconds")
"""What is shown of a question to a person: its calls have arguments."""
_PAGES = ("", "/data", "/events", "/series", "/drilldown", "/reference")
_STATIC = f"/{FOLDER}/"


class DashboardPages:
    """The dashboard of one configuration.

    Args:
        config: The configuration.
        host: Runs the servers.
        chronicle: Knows what has happened.
        managed: Gives the servers as the management interface lists them; empty where there is none.
        is_let_in: Whether a credential still holds, for streams.
        clock: Time.
    """

    methods = "GET, OPTIONS"

    def __init__(
        self,
        config: Config,
        host: Host,
        chronicle: Chronicle,
        managed: Callable[[], list[dict[str, Any]]],
        is_let_in: Callable[[Exchange], bool],
        clock: Clock,
    ) -> None:
        self._config = config
        self._base = route_of(config.dashboard.path)
        self._host = host
        self._chronicle = chronicle
        self._managed = managed
        self._is_let_in = is_let_in
        self._wall = clock.wall

    def template(self, path: str) -> str:
        rest = self._rest(path)
        if rest.startswith(_STATIC):
            rest = f"{_STATIC}{{file}}"
        elif rest not in _PAGES:
            return ""
        return f"{self._base.rstrip('/')}{rest}"

    def _rest(self, path: str) -> str:
        rest = path[len(self._base.rstrip("/")) :]
        return "" if rest == "/" else rest

    async def __call__(self, exchange: Exchange) -> None:
        rest = self._rest(exchange.path)
        static = files().get(rest.removeprefix(_STATIC)) if rest.startswith(_STATIC) else None
        if rest not in _PAGES and static is None:
            raise Refusal(404, "Not found")
        if exchange.method != "GET":
            raise Refusal(405, "the dashboard only answers GET", headers={"Allow": self.methods})
        if not self._is_allowed(exchange):
            raise Refusal(403, f'no rule allows you "{RIGHT}": an administrator can add one')
        if static is not None or rest == "":
            found = static or document(exchange.path)
            await exchange.answer(200, found.body, found.kind, found.headers)
            return
        match rest:
            case "/data":
                await self._host.runtime.settled_within(START_SECONDS)
                await exchange.answer(200, self._snapshot(), headers=NO_STORE)
            case "/events":
                await self._stream(exchange)
            case "/series":
                await exchange.answer_json(200, self._series(exchange.query("range")), NO_STORE)
            case "/reference":
                await exchange.answer(200, await aside(reference, QUERY_SECONDS), headers=NO_STORE)
            case _:
                await exchange.answer_json(200, await self._drilldown(exchange), NO_STORE)

    def _is_allowed(self, exchange: Exchange) -> bool:
        """Whether the rules in force let this principal look."""
        oversight = self._host.runtime.oversight
        if oversight is None or not oversight.authorized:
            return True
        rights = oversight.permissions.of(exchange.principal)
        return rights.of_meta_tool(RIGHT, must_be_allowed=True) is None

    def _snapshot(self) -> bytes:
        chronicle, dashboard = self._chronicle, self._config.dashboard
        recent, history = chronicle.recent, chronicle.history
        management = self._config.management
        facts: dict[str, Any] = {
            "generatedAt": iso(self._wall()),
            "dashboard": {"enabled": True, "path": dashboard.path},
            "summary": {} if recent is None else recent.summary(),
            "status": self._host.runtime.operator_status(),
            "management": {"enabled": management.enabled, "path": management.path},
            "managementServers": self._managed(),
            "metrics": {} if history is None else history.facts(),
            "events": [] if recent is None else recent.shown(),
            "approvals": [
                {key: one[key] for key in _OF_QUESTIONS if key in one}
                for one in self._host.desk.waiting().get("waiting", [])
            ],
        }
        if problems := chronicle.problems():
            facts["problems"] = problems
        if chronicle.store is not None:
            facts["eventStore"] = chronicle.store.facts()
        return msgspec.json.encode(facts)

    def _series(self, range: str | None) -> dict[str, Any]:
        history, now = self._chronicle.history, self._wall()
        if history is None:
            raise Refusal(404, "Not found")
        return history.series(range or USUAL, now, _midnight(now))

    async def _drilldown(self, exchange: Exchange) -> dict[str, Any]:
        store = self._chronicle.store
        if store is None:
            return {"enabled": False, "reason": "eventStore.enabled is false"}
        asked = exchange.query("range")
        range = asked if asked in RANGES else USUAL
        now, limit = self._wall(), limit_of(exchange.query("limit"))
        begin, end = span(range, now, _midnight(now))

        def look() -> dict[str, Any]:
            store.flush()
            return drilldown(store.path, begin, end, limit)

        try:
            found = await aside(look, QUERY_SECONDS)
        except TimeoutError:
            return {"enabled": False, "reason": "the event store did not answer in time"}
        except sqlite3.Error as error:
            why = store.problem or str(error)
            return {"enabled": False, "reason": f"the event store cannot be read: {why}"}
        times = {"range": range, "from": round(begin * 1000), "to": round(end * 1000)}
        return {"enabled": True, **times, **found, "store": store.facts()}

    async def _stream(self, exchange: Exchange) -> None:
        recent = self._chronicle.recent
        if recent is None:
            raise Refusal(404, "Not found")
        waiting: deque[tuple[float, Any]] = deque(maxlen=MOST_WAITING)
        news, lost = asyncio.Event(), False

        def hear(at: float, event: Any) -> None:
            nonlocal lost
            lost = lost or len(waiting) == MOST_WAITING
            waiting.append((at, event))
            news.set()

        def may_go_on() -> bool:
            """Whether the dashboard is still on, and whoever looks may still look."""
            is_on = self._chronicle.recent is recent
            return is_on and self._is_let_in(exchange) and self._is_allowed(exchange)

        # In one turn of the loop: each event is in the snapshot or comes after it, and never both.
        snapshot, leave = self._snapshot(), recent.listen(hear)
        gone = at_once(_departure(exchange))
        try:
            await exchange.start(
                200, {"content-type": EVENT_STREAM, "cache-control": "no-cache, no-transform"}
            )
            await exchange.write(frame(snapshot, name="snapshot"), more=True)
            while not gone.done() and may_go_on():
                heard = at_once(news.wait())
                await asyncio.wait({gone, heard}, timeout=KEEPALIVE_SECONDS, return_when="FIRST_COMPLETED")
                heard.cancel()
                if gone.done():
                    break
                if not news.is_set():
                    await exchange.write(b": alive\n\n", more=True)
                    continue
                # What comes at once goes out together.
                await asyncio.sleep(GATHER_SECONDS)
                news.clear()
                if lost:
                    waiting.clear()
                    lost = False
                    await exchange.write(frame(_reset("behind")), more=True)
                    continue
                frames = b"".join(frame(_framed(*waiting.popleft())) for _ in range(len(waiting)))
                await exchange.write(frames, more=True)
            if not gone.done():
                await exchange.write(b"", more=False)
        finally:
            leave()
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


def _framed(at: float, event: Any) -> bytes:
    try:
        data = msgspec.json.encode(words_of(at, event))
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError):
        return _reset("serialization_failed")
    return data if len(data) <= MOST_FRAME else _reset("frame_too_large")


def _reset(reason: str) -> bytes:
    """Tells the page to fetch the snapshot again."""
    return msgspec.json.encode({"type": "stream_reset", "reason": reason})


async def _departure(exchange: Exchange) -> None:
    """Waits until the browser has left."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


def _midnight(now: float) -> float:
    """When this day began where we are."""
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))
