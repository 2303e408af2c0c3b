"""The addresses of the dashboard: the page, a snapshot, a stream of events, counts over time, past calls.

Made by `callmux.serving.trees` for the HTTP application. Who may look and who may change something,
`callmux.dashboard.powers` says; browsers sign in by `callmux.dashboard.entry`. What is shown is of everybody.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from callmux.aside import aside
from callmux.clock import Clock
from callmux.config.model import Config
from callmux.dashboard.actions import Actions
from callmux.dashboard.built import StaticFile, document, files
from callmux.dashboard.entry import FrontDoor
from callmux.dashboard.kept import DashboardState
from callmux.dashboard.past import PastPages, midnight
from callmux.dashboard.powers import RIGHT, Powers
from callmux.dashboard.reference import reference
from callmux.dashboard.views import DashboardViews
from callmux.dashboard.waiting import about
from callmux.guard.gate import route_of
from callmux.guard.managers import is_below
from callmux.guard.principal import Principal
from callmux.guard.visitors import HTML, STATIC, Visitors
from callmux.observe.chronicle import Chronicle
from callmux.observe.history import USUAL
from callmux.observe.recent import Recent, words_of
from callmux.process.host import Host
from callmux.protocol.sse import event as frame
from callmux.server_orders import ACTIONS
from callmux.tasks import at_once
from callmux.timestamps import iso
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Refusal, Tree

MOST_FRAME = 256 * 1024
MOST_WAITING = 1000
"""Events that wait for a browser that reads slowly; then it is told to begin anew."""
MOST_STREAMS, MOST_OF_ONE = 200, 50
"""Streams at the same time, and those of one principal: each costs every call a little."""
GATHER_SECONDS = 0.1
KEEPALIVE_SECONDS = 15.0
QUERY_SECONDS = 30.0
START_SECONDS = 10.0
"""How long a snapshot waits for servers that are still starting."""
NO_STORE = {"cache-control": "no-store"}
_LATER = {"Retry-After": "5"}
MANAGE = "/manage"
"""Below it stands the management interface, for browsers that may use it."""
_LINKED = ("", "/enter")
"""Where links of other pages may lead."""
_ORDERS, _CLEAR = tuple(f"/{action}" for action in ACTIONS), f"{MANAGE}/cache/clear"

Page: TypeAlias = Callable[[Exchange], Awaitable[None]]


class DashboardPages:
    """The dashboard of one configuration.

    Args:
        config: The configuration.
        host: Runs the servers.
        chronicle: Knows what has happened.
        managed: Gives the servers as the management interface lists them; empty where there is none.
        is_let_in: Whether a credential still holds, for streams.
        visitors: The check of browsers.
        kept: What stays while configurations come and go.
        managing: Makes the management interface at a path.
        clock: Time.
    """

    methods = "GET, POST, PATCH, DELETE, OPTIONS"

    def __init__(
        self,
        config: Config,
        host: Host,
        chronicle: Chronicle,
        managed: Callable[[], list[dict[str, Any]]],
        is_let_in: Callable[[Exchange], bool],
        visitors: Visitors,
        kept: DashboardState,
        managing: Callable[[str], Tree],
        clock: Clock,
    ) -> None:
        self._config = config
        self._base = route_of(config.dashboard.path)
        self._streams: Counter[str] = Counter()
        self._host = host
        self._chronicle = chronicle
        self._managed = managed
        self._is_let_in = is_let_in
        self._wall = clock.wall
        self._managing = managing(f"{self._base.rstrip('/')}{MANAGE}")
        self._entry = FrontDoor(visitors, self._is_allowed, self._has_rules, config.management.enabled, clock)
        self._open: Mapping[str, Mapping[str, Page]] = {
            "": {"GET": self._page},
            "/session": {"GET": self._session},
            "/enter": {"GET": self._entry.enter},
            "/sign-in": {"POST": self._entry.sign_in},
            "/sign-out": {"POST": self._entry.sign_out},
        }
        self._views: Mapping[str, Page] = {
            "/data": self._data,
            "/events": self._stream,
            "/series": self._series,
            "/reference": self._reference,
            **PastPages(chronicle, clock).pages(),
            **DashboardViews(config, host, chronicle, kept, self._entry, clock).pages(),
        }
        actions = Actions(host, kept, self._entry.visitor)
        self._changes: Mapping[str, tuple[Callable[[Powers], str], Page]] = {
            "/call": (lambda powers: powers.call, actions.call),
            "/cancel": (lambda powers: powers.steer, actions.cancel),
            "/approve": (lambda powers: powers.approve, actions.approve),
        }

    def template(self, path: str) -> str:
        rest, root = self._rest(path), self._base.rstrip("/")
        if rest in self._open or rest in self._views or rest in self._changes:
            return f"{root}{rest}"
        if rest.startswith(STATIC):
            return f"{root}{STATIC}{{file}}"
        return self._managing.template(path) if is_below(rest, MANAGE) else ""

    def _rest(self, path: str) -> str:
        rest = path[len(self._base.rstrip("/")) :]
        return "" if rest == "/" else rest

    async def __call__(self, exchange: Exchange) -> None:
        # No page of another origin is to read anything of this, as it may what clients ask for.
        exchange.origin = None
        rest, method = self._rest(exchange.path), exchange.method
        if (static := files().get(rest.removeprefix(STATIC))) is not None and rest.startswith(STATIC):
            page = self._file(static)
            await _chosen({"GET": page}, method)(exchange)
            return
        if rest not in _LINKED:
            self._entry.check_reader(exchange)
        if is_below(rest, MANAGE):
            await self._manage(exchange, rest)
        elif (known := self._open.get(rest)) is not None:
            await _chosen(known, method)(exchange)
        elif rest in self._views or rest in self._changes:
            found: dict[str, Page] = {}
            powers = self._entry.powers(exchange)
            if rest in self._views:
                found["GET"] = self._views[rest]
            if rest in self._changes:
                found["POST"] = self._changes[rest][1]
            page = _chosen(found, method)
            _check(powers.look if method == "GET" else self._changes[rest][0](powers))
            if method == "POST":
                self._entry.check_change(exchange)
            await page(exchange)
        else:
            raise Refusal(404, "Not found")

    async def _manage(self, exchange: Exchange, rest: str) -> None:
        """Does what the management interface does, for a browser that may."""
        powers = self._entry.powers(exchange)
        orders = exchange.method == "POST" and (rest.endswith(_ORDERS) or rest == _CLEAR)
        _check(powers.steer if orders or exchange.method == "GET" else powers.manage)
        if exchange.method != "GET":
            self._entry.check_change(exchange)
        before = exchange.principal
        exchange.principal = self._entry.manager(exchange)
        try:
            await self._managing(exchange)
        finally:
            # What it has in flight is counted for whom it was let in.
            exchange.principal = before

    async def _page(self, exchange: Exchange) -> None:
        if HTML not in exchange.headers.get("accept", ""):
            _check(self._entry.powers(exchange).look)
        await self._file(document(exchange.path))(exchange)

    def _file(self, file: StaticFile) -> Page:
        """A page that is a file."""

        async def page(exchange: Exchange) -> None:
            await exchange.answer(200, file.body, file.kind, file.headers)

        return page

    async def _reference(self, exchange: Exchange) -> None:
        await exchange.answer(200, await aside(reference, QUERY_SECONDS), headers=NO_STORE)

    async def _session(self, exchange: Exchange) -> None:
        await exchange.answer_json(200, self._entry.session(exchange), NO_STORE)

    async def _data(self, exchange: Exchange) -> None:
        await self._host.runtime.settled_within(START_SECONDS)
        await exchange.answer(200, self._snapshot(with_events=_wants_events(exchange)), headers=NO_STORE)

    def _is_allowed(self, principal: Principal | None) -> bool:
        """Whether the rules in force let somebody look."""
        oversight = self._host.runtime.oversight
        if oversight is None or not oversight.authorized:
            return True
        return oversight.permissions.of(principal).of_meta_tool(RIGHT, must_be_allowed=True) is None

    def _has_rules(self) -> bool:
        """Whether rules say what clients may use."""
        oversight = self._host.runtime.oversight
        return oversight is not None and oversight.authorized

    def _snapshot(self, *, with_events: bool) -> bytes:
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
            "approvals": [about(one) for one in self._host.desk.waiting().get("waiting", [])],
        }
        if with_events:
            facts["events"] = [] if recent is None else recent.shown()
        if problems := chronicle.problems():
            facts["problems"] = problems
        if chronicle.store is not None:
            facts["eventStore"] = chronicle.store.facts()
        return msgspec.json.encode(facts)

    async def _series(self, exchange: Exchange) -> None:
        history, now = self._chronicle.history, self._wall()
        if history is None:
            raise Refusal(404, "Not found")
        range = exchange.query("range") or USUAL
        await exchange.answer_json(200, history.series(range, now, midnight(now)), NO_STORE)

    async def _stream(self, exchange: Exchange) -> None:
        recent = self._chronicle.recent
        if recent is None:
            raise Refusal(404, "Not found")
        owner = "" if exchange.principal is None else exchange.principal.label
        if recent.listening >= MOST_STREAMS or self._streams[owner] >= MOST_OF_ONE:
            raise Refusal(503, "too many pages of the dashboard are open: close some", headers=_LATER)
        self._streams[owner] += 1
        try:
            await self._follow(exchange, recent)
        finally:
            self._streams[owner] -= 1
            if not self._streams[owner]:
                del self._streams[owner]

    async def _follow(self, exchange: Exchange, recent: Recent) -> None:
        """Tells a page of events for as long as it stays."""
        visitor = self._entry.visitor(exchange)
        waiting: deque[tuple[float, Any]] = deque(maxlen=MOST_WAITING)
        news, lost = asyncio.Event(), 0

        def hear(at: float, event: Any) -> None:
            nonlocal lost
            lost += len(waiting) == MOST_WAITING
            waiting.append((at, event))
            news.set()

        def may_go_on() -> bool:
            """Whether the dashboard is still on, and whoever looks may still look."""
            if self._chronicle.recent is not recent or not self._entry.stays(visitor):
                return False
            return self._is_let_in(exchange) and not self._entry.powers(exchange).look

        # In one turn of the loop: each event is in the snapshot or comes after it, and never both.
        snapshot = self._snapshot(with_events=_wants_events(exchange))
        leave = recent.listen(hear)
        gone, heard = at_once(exchange.departure()), None
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
                    lost += len(waiting)
                    waiting.clear()
                    dropped, lost = lost, 0
                    await exchange.write(frame(_reset("behind", dropped=dropped)), more=True)
                    continue
                frames = b"".join(frame(_framed(*waiting.popleft())) for _ in range(len(waiting)))
                await exchange.write(frames, more=True)
            if not gone.done():
                await exchange.write(b"", more=False)
        finally:
            leave()
            gone.cancel()
            if heard is not None:
                heard.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone


def _check(why: str) -> None:
    """Refuses what somebody is kept from.

    Raises:
        Refusal: There is a reason.
    """
    if why:
        raise Refusal(403, why)


def _chosen(pages: Mapping[str, Page], method: str) -> Page:
    """The page for a method.

    Raises:
        Refusal: There is none.
    """
    page = pages.get(method)
    if page is None:
        known = ", ".join([*pages, "OPTIONS"])
        raise Refusal(405, f"this address only answers {known}", headers={"Allow": known})
    return page


def _wants_events(exchange: Exchange) -> bool:
    """Whether the list of events is wanted; a page may fetch it piece by piece instead."""
    return exchange.query("events") != "0"


def _framed(at: float, event: Any) -> bytes:
    try:
        data = msgspec.json.encode(words_of(at, event))
    except (msgspec.MsgspecError, TypeError, UnicodeEncodeError):
        return _reset("serialization_failed")
    return data if len(data) <= MOST_FRAME else _reset("frame_too_large")


def _reset(reason: str, **more: int) -> bytes:
    """Tells the page to fetch the snapshot again."""
    return msgspec.json.encode({"type": "stream_reset", "reason": reason, **more})
