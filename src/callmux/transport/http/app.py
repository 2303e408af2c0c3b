"""The ASGI application: a request id, the guards, then the route.

Called by uvicorn, which `callmux.transport.http.serve` runs. Whatever goes wrong with a request is answered
to that request and ends nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from callmux.clock import Clock
from callmux.guard.gate import GONE, TurnedAway, limit_reached, route_of
from callmux.guard.managers import PROFILED, is_below
from callmux.guard.resource import WELL_KNOWN
from callmux.observe.bus import Bus
from callmux.observe.facts import HttpEnded, LimitReached
from callmux.protocol.jsonrpc import INTERNAL_ERROR
from callmux.transport.http.exchange import Exchange, Receive, Refusal, Route, Scope, Send, Tree
from callmux.transport.http.intake import (
    ClientLeft,
    answer_options,
    check_headers,
    check_origin,
    own_id,
    request_id,
)
from callmux.transport.http.listener import STOPPING, Listener
from callmux.transport.http.mcp import go_on, serve_mcp
from callmux.transport.http.plain import PlainCalls, PlainReply, Work
from callmux.transport.http.sse import serve_message, serve_stream
from callmux.transport.http.stateless_calls import StatelessCalls
from callmux.transport.http.streams import Stream
from callmux.transport.http.web_session import WebSession

log = logging.getLogger(__name__)

REAL = Clock()
METHODS = {"/mcp": "GET, POST, DELETE, OPTIONS", "/sse": "GET, OPTIONS", "/messages": "POST, OPTIONS"}


class App:
    """The application.

    Args:
        listener: Sessions and limits.
        routes: Further answers to GET requests, by path.
        loopback: Whether we listen on this machine only.
        bus: Who hears of requests.
        clock: Time.
        trees: Further answers to all that is below a path.

    Attributes:
        direct: Requests that are answered without all this.
        stateless: Those of them that have no session.
    """

    def __init__(
        self,
        listener: Listener,
        routes: Mapping[str, Route],
        loopback: bool,
        bus: Bus | None = None,
        clock: Clock = REAL,
        trees: Mapping[str, Tree] | None = None,
    ) -> None:
        self._listener = listener
        self._routes = routes
        self._trees = {} if trees is None else trees
        self._loopback = loopback
        self._bus = bus or Bus()
        self._now = clock.monotonic
        self._exchanges = 0
        self.direct = PlainCalls(listener, self._route, self._resume, self._over)
        self.stateless = StatelessCalls(listener, self.direct)

    @property
    def in_flight(self) -> int:
        """How many requests have come whose answer is not over."""
        return self._exchanges + self.direct.in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        id = request_id(own_id(scope["headers"]))
        exchange = Exchange(scope, receive, send, id, closing=self._listener.leaving)
        exchange.confirm()
        exchange.began = self._now()
        await self.serve(exchange, self._whole)

    async def _whole(self, exchange: Exchange) -> None:
        check_headers(exchange)
        check_origin(exchange, self._loopback, self._listener.forwarded)
        if (gate := self._listener.gate) is not None:
            if (waiting := gate.enter(exchange)) is not None:
                await waiting
            # By this one it goes out, whatever a reload does meanwhile.
            exchange.inside = gate
        await self._route(exchange)

    async def serve_here(self, exchange: Exchange) -> None:
        """Answers a request of a session, or for one, on this node."""
        if route_of(exchange.path) == "/messages":
            await serve_message(exchange, self._listener)
        else:
            await serve_mcp(exchange, self._listener)

    async def serve(self, exchange: Exchange, work: Work, *, tells: bool = True) -> None:
        """Has a request answered by `work`, and tells of it. What goes wrong is answered to the request.

        Args:
            tells: Whether this listener tells of it: another node does, where a client asked that one.
        """
        self._exchanges += 1
        try:
            await work(exchange)
        except Refusal as refusal:
            if refusal.limit is not None and self._bus.hears(LimitReached):
                self._bus.publish(limit_reached(refusal.limit, refusal.headers, exchange))
            if not exchange.started:
                await exchange.refuse(refusal)
        except TurnedAway as away:
            await exchange.refuse(Refusal(away.status, away.message, headers=away.headers, more=away.more))
        except ClientLeft:
            return
        except asyncio.CancelledError:
            # The server gives up what has not begun to be answered when it stops: requests whose bodies
            # are still on their way. It would call that an internal error.
            if exchange.started or not self._listener.refusing:
                raise
            await exchange.refuse(STOPPING)
        except Exception as error:
            log.error(
                "%s %s failed in callmux itself: %r", exchange.method, exchange.path, error, exc_info=error
            )
            if not exchange.started:
                await exchange.refuse(Refusal(500, "Internal server error", INTERNAL_ERROR))
        finally:
            if exchange.inside is not None:
                exchange.inside.leave(exchange, exchange.status or GONE)
            self._exchanges -= 1
            if tells and self._bus.http:
                self._bus.publish(self._fact(exchange, self._now() - exchange.began))

    def _over(self, reply: PlainReply, status: int) -> None:
        """A plain request is over."""
        if (exchange := reply.exchange) is not None and exchange.inside is not None:
            exchange.inside.leave(exchange, status)
        if self._bus.http:
            head, known = reply.head, reply.head.exchange
            if not head.route:
                head.route = self._route_name(known.path)
            self._bus.publish(
                HttpEnded(
                    reply.request_id,
                    "POST",
                    known.path,
                    head.route,
                    status,
                    self._now() - reply.began,
                    known.peer,
                    None if exchange is None else exchange.principal,
                    reply.body if self._listener.shows_bodies else None,
                )
            )

    async def _resume(self, exchange: Exchange, seat: WebSession, stream: Stream) -> None:
        await go_on(exchange, self._listener, seat, stream)

    def _fact(self, exchange: Exchange, seconds: float) -> HttpEnded:
        path = exchange.path
        return HttpEnded(
            exchange.request_id,
            exchange.method,
            path,
            self._route_name(path),
            exchange.status if exchange.finished else GONE,
            seconds,
            exchange.peer,
            exchange.principal,
            exchange.body if self._listener.shows_bodies else None,
        )

    def _route_name(self, path: str) -> str:
        """What a path means, from a fixed list; empty where it means nothing."""
        if path in METHODS:
            return path
        route = route_of(path)
        if route.startswith(PROFILED):
            return f"{PROFILED}{{profile}}"
        if route in METHODS or route in self._routes:
            return route
        tree = self._tree(path)
        return "" if tree is None else tree.template(path)

    async def _route(self, exchange: Exchange) -> None:
        path, method = route_of(exchange.path), exchange.method
        if path.startswith(PROFILED) and "/" not in path[len(PROFILED) :]:
            path, exchange.profile = "/mcp", path[len(PROFILED) :]
        if method == "OPTIONS":
            await self._options(exchange, path)
        elif path == "/mcp":
            if (nodes := self._listener.nodes) is None:
                await serve_mcp(exchange, self._listener)
            else:
                await nodes.serve(exchange, self.serve_here)
        elif method == "GET" and (route := self._routes.get(path)) is not None:
            await route(exchange)
        elif (tree := self._tree(exchange.path)) is not None:
            await tree(exchange)
        elif path == "/sse" and method == "GET":
            await serve_stream(exchange, self._listener)
        elif path == "/messages" and method == "POST":
            if (nodes := self._listener.nodes) is None:
                await serve_message(exchange, self._listener)
            else:
                await nodes.serve(exchange, self.serve_here)
        elif method == "GET" and path.startswith(WELL_KNOWN):
            await self._describe(exchange)
        else:
            raise Refusal(404, "Not found")

    def _tree(self, path: str) -> Tree | None:
        return next((tree for base, tree in self._trees.items() if is_below(path, base)), None)

    async def _describe(self, exchange: Exchange) -> None:
        """What we are as a protected resource, where we are one."""
        gate = self._listener.gate
        about = None if gate is None or gate.resource is None else gate.resource.document(exchange)
        if about is None:
            raise Refusal(404, "Not found")
        await exchange.answer_json(200, about, {"cache-control": "no-store"})

    async def _options(self, exchange: Exchange, path: str) -> None:
        listed = path in self._routes or path.startswith(WELL_KNOWN)
        methods = METHODS.get(path) or ("GET, OPTIONS" if listed else None)
        if methods is None and (tree := self._tree(exchange.path)) is not None:
            methods = tree.methods
        if methods is None:
            raise Refusal(404, "Not found")
        await answer_options(exchange, methods)
