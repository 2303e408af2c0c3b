"""What the endpoints share: the sessions, the limits, and how a client gets a session.

Made by `callmux.serving.assembly`; used by `/mcp` and the older transport. The limits belong to the
configuration and are replaced with it; the sessions stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.guard.forwarded import forwarded_for
from callmux.guard.gate import Gate
from callmux.guard.handing_on import HEADER as AUTHORIZATION
from callmux.guard.handing_on import allowed
from callmux.protocol import versions
from callmux.protocol.jsonrpc import INTERNAL_ERROR, RpcError, on_one_line, parse
from callmux.rings.scopes import forwarded_names
from callmux.session.cwd import HEADER, from_header
from callmux.session.facts import Said, canonical
from callmux.session.handler import Handler
from callmux.session.request import Request
from callmux.session.saved_sessions import SavedSession
from callmux.session.session import Session
from callmux.session.table import SessionTable
from callmux.tasks import TaskSet, to_the_end
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Refusal
from callmux.transport.http.heads import passing
from callmux.transport.http.house import Nodes, Sessions
from callmux.transport.http.intake import BodyLimits, is_elsewhere
from callmux.transport.http.kept import KeptStreams
from callmux.transport.http.seats import Seats
from callmux.transport.http.streams import PATIENCE_SECONDS
from callmux.transport.http.web_session import STATELESS, STREAMABLE, WebSession

if TYPE_CHECKING:
    from callmux.stores.replay import Replay
    from callmux.stores.sessions import KeptSession
    from callmux.transport.http.shared_sessions import SharedSessions

log = logging.getLogger(__name__)

KIND_HEADER = "x-callmux-client"
STOPPING = Refusal(
    503,
    "The listener is being stopped and nothing was begun: ask again once it is back",
    headers={"Retry-After": "1"},
)
STEP_SECONDS = 0.02
SWEEP_SECONDS = 1.0
"""Sessions that begin have others looked through no more often than this: that takes time for each."""
TRACE = ("traceparent", "tracestate")
KINDS = ("stdio-bridge", "cli")


class _Greeting(msgspec.Struct, rename="camel"):
    protocol_version: str | None = None
    capabilities: dict[str, Raw] = {}


class Listener:
    """The shared state of one listener.

    Args:
        config: The configuration; replaced by `configure`.
        limits: Its body limits.
        handler: What sessions' requests lead to.
        sessions: Hears of sessions that begin and end.
        key: Seals session ids.
        clock: Time.
        replay: Where answers are kept for clients that come back; None for this process.

    Attributes:
        now: The monotonic clock.
        definition: Gives a tool as its server lists it, by the name of a direct call.
        table: The sessions.
        seats: Those among them that serve requests without a session.
        limits: The body limits in force.
        shows_bodies: The audit log is to show what requests brought.
        forwarded: Knows which proxies are believed about the address that a browser used; None for none.
        passing: Headers whose values may differ with each request, because nobody here reads them.
        gate: What requests pass before anything is looked up for them, where the configuration asks for that.
        leaving: Connections end with the answer they carry: another process takes the next ones.
        refusing: No request begins any more; answers and notifications for those in flight are taken.
        saved_sessions: What sessions of the process before us left, by session id.
        shared: What other listeners know of these sessions, and we of theirs; None where there are none.
        nodes: The other listeners that serve these sessions as one with this one; None where there are none.
        until: Until when it is certain that no other node has taken our sessions, by the monotonic clock.
        patience: How long an answer may take before its client gets an event stream that it can resume.
        elsewhere: Takes a session's id and a message that is about nothing in flight here, where another
            process may still work for that session.
    """

    def __init__(
        self,
        config: Config,
        limits: BodyLimits,
        handler: Handler[Session],
        sessions: Sessions,
        key: bytes,
        clock: Clock,
        replay: Replay | None = None,
    ) -> None:
        self._handler = handler
        self._sessions = sessions
        self.definition = sessions.definition
        self._clock = clock
        self.now = clock.monotonic
        self.gate: Gate | None = None
        self.leaving = False
        self.refusing = False
        self.saved_sessions: dict[str, SavedSession] = {}
        self.shared: SharedSessions | None = None
        self.nodes: Nodes | None = None
        self.until, self.patience, self._swept = math.inf, PATIENCE_SECONDS, -math.inf
        self.elsewhere: Callable[[str, bytes], None] | None = None
        self._tasks = TaskSet("listener")
        self._kept = KeptStreams(clock.monotonic, replay)
        self.seats = Seats(self._begun, self._profile, owner_of, clock.monotonic)
        self.table: SessionTable[WebSession] = SessionTable(clock, key, self.end)
        self.configure(config, limits)

    def configure(self, config: Config, limits: BodyLimits) -> None:
        """A configuration takes effect."""
        self._config = config
        self.limits = limits
        self._traces = config.open_telemetry.enabled
        self.forwarded = forwarded_for(config)
        if self.shared is not None:
            self.shared.idle_seconds = config.listener_session_inactivity_ttl_seconds
        self.shows_bodies = config.audit_log.enabled and config.audit_log.include_request_body
        self._forwarded = frozenset(name for s in config.servers.values() for name in forwarded_names(s))
        self.passing = passing(self._forwarded, TRACE if self._traces else ())

    def check_open(self, rpc_code: int | None, id: int | str | None) -> None:
        """Refuses to begin a request while we are ending.

        Raises:
            Refusal: 503.
        """
        if self.refusing:
            raise Refusal(503, STOPPING.message, rpc_code, id, STOPPING.headers)

    async def admit(self, exchange: Exchange, params: Raw | None) -> WebSession:
        """A new session for a client that greets.

        Raises:
            Refusal: There is no room.
        """
        try:
            asked = msgspec.json.decode(params if params is not None else b"{}", type=_Greeting)
            capabilities = canonical(asked.capabilities)
        except (msgspec.MsgspecError, ValueError) as error:
            raise Refusal(400, f"initialize: {error}", -32602) from None
        version, profile = versions.agree(asked.protocol_version), self._profile(exchange)
        id = self.table.new_id(version, capabilities, owner_of(exchange), exchange.profile, profile)
        return await self._begun(id, STREAMABLE, exchange, profile)

    async def begin(self, id: str, kind: str, exchange: Exchange) -> WebSession:
        """A new session of this id, for who asks for it and nobody else.

        Raises:
            Refusal: There is no room, or no such profile.
        """
        return await self._begun(id, kind, exchange, self._profile(exchange))

    async def _begun(self, id: str, kind: str, exchange: Exchange, profile: str) -> WebSession:
        seat = self._made(id, kind, exchange, profile)
        await self._enter(seat)
        if self.nodes is not None and kind != STATELESS:
            # Only now: one for which there is no room is nobody's.
            await self.nodes.begun(id)
        return seat

    def _profile(self, exchange: Exchange) -> str:
        """The profile of a session that begins.

        Raises:
            Refusal: Its client may not have what its address names.
        """
        profile = self._sessions.profile(
            exchange.profile, exchange.principal, from_header(exchange.headers.get(HEADER))
        )
        if profile is None:
            raise Refusal(404, f'There is no profile "{exchange.profile}" for this client')
        return profile

    def _made(self, id: str, kind: str, exchange: Exchange, profile: str) -> WebSession:
        seat = WebSession(id, self._handler, kind, owner_of(exchange), self.now(), self._kept)
        seat.asked = exchange.profile
        seat.session.facts.principal, seat.session.facts.profile = exchange.principal, profile
        return seat

    async def _enter(self, seat: WebSession) -> None:
        """Every session comes in this way.

        Raises:
            Refusal: There is no room.
        """
        if self.now() >= self._swept + SWEEP_SECONDS:
            await self.sweep()
        if self.table.get(seat.id) is not None:
            # Another request of the same client has been faster.
            return
        gone = self.table.enter(seat, self._config.listener_max_sessions)
        if gone is None:
            message = "Listener session capacity reached; retry after a session has ended"
            code = {"sse": None, STATELESS: INTERNAL_ERROR}.get(seat.kind, -32002)
            raise Refusal(503, message, code, headers={"Retry-After": "1"}, limit="listenerMaxSessions")
        self._sessions.begun(seat)
        if self.shared is not None:
            self.shared.add(seat)
        for other in gone:
            # At once: while one is ended, the next would be lent to a request.
            self.seats.ended(other)
        await self.table.end(gone)

    def find(self, id: str, exchange: Exchange) -> WebSession | None:
        """The session of that id; None where whoever asks has begun none, or not at this address."""
        seat = self.table.get(id)
        if seat is None or seat.owner != owner_of(exchange) or seat.asked != exchange.profile:
            return None
        return seat

    def is_let_in(self, exchange: Exchange) -> bool:
        """Whether what let a request in still holds: streams outlive tokens."""
        return exchange.grant is None or exchange.grant.holds(self._clock.wall())

    async def recall(self, id: str, exchange: Exchange) -> WebSession | None:
        """The session of that id that whoever asks began in the process before us; None where there is none.

        Raises:
            Refusal: There is no room.
        """
        ticket = self.table.recall(id, owner_of(exchange))
        kept: KeptSession | None = None
        if self.shared is not None:
            ticket, kept = await self.shared.recall(id, owner_of(exchange), ticket)
        if ticket is None:
            return None
        profile = ticket.profile
        if profile is None:
            # An older version gave the id: it does not say.
            profile = self._profile(exchange)
        elif ticket.asked != exchange.profile:
            return None
        seat = self._made(id, STREAMABLE, exchange, profile)
        seat.session.revive(ticket.capabilities.encode(), ticket.version)
        await self._enter(seat)
        if self.table.get(id) is seat:
            saved = self.saved_sessions.pop(id, None)
            if self.shared is not None and kept is not None:
                saved = self.shared.take_up(seat, kept)
            if saved is not None:
                seat.session.facts.client_name, seat.session.facts.waits = saved.client_name, saved.waits
                self._tasks.spawn(self._restore(seat, saved, Said(principal=exchange.principal)))
        return self.find(id, exchange)

    async def _restore(self, seat: WebSession, saved: SavedSession, said: Said) -> None:
        for method, params in saved.requests():
            try:
                request = Request(seat.session, "", method, said)
                work = self._handler.handle(seat.session, method, Raw(params), request)
                if work is not None:
                    await work
            except RpcError as error:
                log.warning("a session goes on without its %s: %s", method, error)
        if self.shared is not None:
            self.shared.taken_up(seat)

    def overheard(self, id: str, body: bytes) -> None:
        """Takes what a client sent to the process that follows us, and that is about something in flight
        here."""
        seat = self.table.get(id)
        if seat is not None:
            seat.session.receive(parse(on_one_line(body)))

    def note(self, seat: WebSession, exchange: Exchange) -> Said:
        """Takes what a request's headers say of its session; gives what they say of the request alone."""
        seat.seen_at = self.now()
        facts = seat.session.facts
        named = from_header(exchange.headers.get(HEADER))
        if named is not None:
            facts.cwd, facts.cwd_source = named, "header"
        # The same one, but what its token says of it may have changed.
        facts.principal = exchange.principal
        if (kind := self.kind_of(exchange)) is not None:
            facts.client_kind = kind
        # Those of this request and no other: a later request without the credential must not use it.
        headers = {n: v for n in self._forwarded if (v := exchange.text(n)) is not None}
        grant = exchange.grant
        if grant is not None and headers:
            headers = allowed(headers, exchange.text(AUTHORIZATION) or "", grant)
        return Said(
            cwd=named,
            headers=headers,
            elsewhere=is_elsewhere(exchange),
            streams=exchange.accepts(EVENT_STREAM) or seat.kind != STREAMABLE,
            session_id=seat.shown_id,
            request_id=exchange.request_id,
            principal=exchange.principal,
            trace=trace_of(exchange.headers) if self._traces else {},
            audiences=None if grant is None else grant.audiences,
        )

    def kind_of(self, exchange: Exchange) -> str | None:
        """Which client of ours a request says it comes from."""
        kind = exchange.headers.get(KIND_HEADER)
        return kind if kind in KINDS else None

    async def leave(self, seat: WebSession) -> None:
        """Its client ends a session, wherever it goes on."""
        if self.shared is not None:
            await self.shared.ended(seat)
        await self.table.remove(seat.id)

    async def sweep(self) -> None:
        """Ends sessions that have been idle for too long."""
        self._swept = self.now()
        self._kept.expire()
        for id in self.seats.spent():
            await self.table.remove(id)
        await self.table.sweep(self._config.listener_session_inactivity_ttl_seconds)

    async def keep_sweeping(self) -> None:
        """Sweeps for as long as it runs, whatever becomes of one session's end."""
        while True:
            ttl = self._config.listener_session_inactivity_ttl_seconds
            await asyncio.sleep(min(max(ttl / 2, 1.0), 60.0))
            try:
                await self.sweep()
                if self.shared is not None:
                    await self.shared.renew()
            except Exception:
                log.exception("sessions could not be looked through")

    async def drain(self, seconds: float) -> None:
        """Lets every request in flight finish, at most `seconds`; then ends every stream. The sessions are
        not over: another process can take them up."""
        self._sessions.hang_up()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while self.let_go():
                        await asyncio.sleep(STEP_SECONDS)
        finally:
            self.refusing = True
            if left := sum(not seat.session.quiet.is_set() for seat in self.table):
                log.warning("%d sessions have requests in flight that are given up after %g s", left, seconds)
            try:
                if self.shared is not None:
                    await self.shared.close()
            finally:
                for seat in self.table:
                    seat.end()
                await to_the_end(self._tasks.cancel, self._kept.close)

    def let_go(self) -> bool:
        """Ends the own stream of every session that needs it no more; whether requests are in flight."""
        busy = False
        for seat in self.table:
            quiet = seat.session.quiet.is_set()
            busy = busy or not quiet
            # In the older transport, answers come that way, too.
            if quiet or seat.kind == STREAMABLE:
                seat.own.finish()
        return busy

    def release(self, ids: Iterable[str]) -> list[WebSession]:
        """These sessions go on elsewhere and are not here any more. Gives what is to be ended of them."""
        return [seat for id in ids if (seat := self.table.release(id)) is not None]

    async def end(self, seat: WebSession) -> None:
        """Ends what is here of a session that is not here any more."""
        seat.end()
        self.seats.ended(seat)
        if self.nodes is not None and seat.kind != STATELESS:
            self.nodes.ended(seat.id, self.table.is_over(seat.id))
        if self.shared is not None:
            self.shared.let_go(seat)
        await self._sessions.ended(seat)


def owner_of(exchange: Exchange) -> str:
    """Whose sessions a request may use."""
    return "" if exchange.principal is None else exchange.principal.label


def trace_of(headers: Mapping[str, str]) -> dict[str, str]:
    """What headers say of the trace that a request belongs to (W3C Trace Context)."""
    return {name: value for name in TRACE if (value := headers.get(name)) is not None}
