"""One live link to one server: the shell around `callmux.protocol.upstream_peer`.

Called by `callmux.upstream.server`, which opens, replaces and closes connections, and by the retrying stage,
which sends calls. Every request that waits (`callmux.upstream.exchanges`) ends: with the answer, at its own
time-out, by cancellation, or when the link is lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from math import inf
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.lull import Lull
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import INTERNAL_ERROR, Batch, Id, Message, Response, RpcError
from callmux.protocol.peer import CancellationReceived, NotificationReceived, RequestReceived
from callmux.protocol.unanswered import Unanswered
from callmux.protocol.upstream_peer import (
    ErrorReceived,
    InitializeResult,
    NoiseReceived,
    ProgressReceived,
    ReplyReceived,
    UnreadableReplyReceived,
    UpstreamPeer,
)
from callmux.protocol.versions import Era
from callmux.tasks import TaskSet, Withdrawal, reason_of
from callmux.upstream import failures
from callmux.upstream.audience import Audience
from callmux.upstream.exchanges import Exchange, OwnExchange
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Link, Listener
from callmux.upstream.reading.copying import LARGE, copied, own_copy
from callmux.upstream.reading.staleness import Staleness
from callmux.upstream.task_makers import TaskMakers

log = logging.getLogger(__name__)

CLOCK_STEP = 0.001
"""A timer may come so much too early."""


class Hooks(msgspec.Struct, frozen=True):
    """Who hears what a server does by itself. Each takes the connection first.

    Attributes:
        told: A notification: its method, its params, and the client it is for; None where several may be.
        asked: A question for a client: the same, and the awaitable's result goes back to the server.
        lost: The link ended by itself: the reason.
        noise: Bytes that are no message: what was wrong with them.
        unanswered: The server's requests that were given up.
    """

    told: Callable[[Connection, str, Raw | None, ClientPort | None], None]
    asked: Callable[[Connection, str, Raw | None, ClientPort | None], Awaitable[bytes | Raw]]
    lost: Callable[[Connection, str], None]
    noise: Callable[[Connection, str], None]
    unanswered: Unanswered = msgspec.field(default_factory=Unanswered)


class Connection:
    """One conversation with one server.

    Args:
        name: The server's name, for errors.
        link: The way to it, not yet open.
        hooks: Who hears what it does by itself.
        era: What the server is spoken to in.

    Attributes:
        live: Requests may be sent.
        audience: The clients it serves.
        makers: Who made which task on it.
        staleness: Lists that the server has changed.
        declared: What is declared on it.
        init: What the server said of itself; None before `open` is done.
    """

    def __init__(self, name: str, link: Link, hooks: Hooks, era: Era = Era.LEGACY) -> None:
        self.name = name
        self.link = link
        self.live = False
        self.audience, self.makers, self.staleness = Audience(), TaskMakers(), Staleness()
        self.declared = b"{}"
        self.init: InitializeResult | None = None
        self._hooks = hooks
        self._peer = UpstreamPeer(hooks.unanswered, era)
        self._waiting: dict[int, Exchange] = self._peer.waiting
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf
        self._questions: dict[Id, asyncio.Task[None]] = {}
        self._tasks = TaskSet(f'connection to "{name}"')
        self._idle = Lull(lambda: self._waiting)
        self._reason = "the connection is not open"
        # Kept: on Python 3.11 asking for the running loop is a system call.
        self._loop = asyncio.get_running_loop()
        self._lost_early: CallFailure | None = None
        self._probe: asyncio.Future[bool] | None = None

    def __repr__(self) -> str:
        return f"Connection({self.name!r}, {'live' if self.live else 'ended'}, {self._peer!r})"

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer."""
        return len(self._waiting)

    async def open(self, client_info: bytes, capabilities: bytes, seconds: float) -> InitializeResult:
        """Opens the link and does the handshake.

        Raises:
            CallFailure: It cannot be reached, refuses, or takes longer than `seconds`.
        """
        self.declared = capabilities
        limit = failures.timed_out(f'"{self.name}" connect', seconds * 1000, started=False)
        try:
            async with asyncio.timeout(seconds):
                await self.link.open(Listener(self._received, self._failed, self._lost, self._expired))
                if self._lost_early is not None:
                    raise self._lost_early
                self.live = True
                own = self._own("initialize", None, inf)
                own.number, line = self._peer.open(client_info, capabilities, own)
                self.link.send(line, own.number, True)
                result = await self._answer(own)
        except TimeoutError:
            raise limit from None
        try:
            self.init, line = self._peer.opened(result)
        except ValueError as error:
            raise CallFailure(Category.PROTOCOL, str(error), started=False) from None
        self.link.send(line)
        self.link.agreed(self.init.protocol_version)
        return self.init

    def send(self, exchange: Exchange) -> None:
        """Sends a request, which is told what becomes of it.

        Raises:
            CallFailure: It cannot be sent.
        """
        if not self.live:
            raise failures.lost(self._reason, started=False)
        peer = self._peer
        peer.last = exchange.number = id = peer.last + 1
        line = exchange.line(id)
        self._waiting[id] = exchange
        if exchange.deadline < self._due:
            self._watch(exchange.deadline)
        self.link.send(line, id, len(self._waiting) == 1)

    def abandon(self, exchange: Exchange, reason: str | None) -> None:
        """Gives up an exchange: nobody wants its answer any more."""
        if self._waiting.get(exchange.number) is exchange:
            self._give_up(exchange.number, reason)

    def request(
        self,
        method: str,
        params: bytes | Raw | None,
        seconds: float,
        client: ClientPort | None = None,
        progress: Callable[[Raw], None] | None = None,
    ) -> Coroutine[Any, Any, bytes]:
        """Sends a request of callmux itself; what it returns must be awaited at once and gives the result.

        Args:
            params: A JSON object, passed on as it is.
            seconds: How long the answer may take; then the server is told that it is cancelled.
            client: The client that causes the request: what the server asks meanwhile is asked there.
            progress: Takes the params of each progress notification for this request.

        Raises:
            CallFailure: A refusal, a time-out, or the end of the link.
        """
        own = self._own(method, params, seconds)
        own.client, own.progress = client, progress
        self.send(own)
        return self._answer(own)

    def _own(self, method: str, params: bytes | Raw | None, seconds: float) -> OwnExchange:
        answer: asyncio.Future[Raw] = self._loop.create_future()
        deadline = self._loop.time() + seconds
        return OwnExchange(method=method, params=params, seconds=seconds, deadline=deadline, answer=answer)

    async def _answer(self, own: OwnExchange) -> bytes:
        try:
            result = await own.answer
        except asyncio.CancelledError as given_up:
            self.abandon(own, reason_of(given_up, "the caller no longer wants it"))
            raise
        # What is kept must not pin the line it came in.
        return own_copy(result) if memoryview(result).nbytes <= LARGE else await copied(result)

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        """Sends a notification; dropped where the link has ended."""
        if self.live:
            self.link.send(jsonrpc.notification(method, params))

    async def answers(self, seconds: float) -> bool:
        """Whether the server answers a `ping` within `seconds`. Callers at the same time share one."""
        if self._probe is None:
            self._probe = self._loop.create_future()
            alive = True
            try:
                await self.request("ping", None, seconds)
            except CallFailure as failure:
                # A refusal is an answer, too.
                alive = failure.rpc is not None
            finally:
                self._probe.set_result(alive)
                self._probe = None
            return alive
        return await asyncio.shield(self._probe)

    async def drained(self) -> None:
        """Waits until no request waits for its answer. Each has its own time-out, so this ends."""
        await self._idle.wait()

    async def close_when_drained(self) -> None:
        """Ends the link once nothing waits any more."""
        try:
            await self.drained()
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends the link; whatever still waits fails."""
        self._end(failures.lost("the connection was closed", started=True))
        await self._tasks.cancel()
        await self.link.close()

    def _give_up(self, id: int, reason: str | None) -> None:
        if (line := self._peer.cancel(id, reason)) is not None:
            self.link.send(line)
            self.link.abandon(id)
        self._is_less()

    def _is_less(self) -> None:
        """Counts one waiting request less."""
        if self._idle.awaited and not self._waiting:
            self._idle.come()

    def _watch(self, due: float) -> None:
        """Sets one timer for all requests, at the earliest deadline there is now."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer, self._due = None, inf
        now = self._loop.time() + CLOCK_STEP
        late = [(id, one) for id, one in self._waiting.items() if one.deadline <= now]
        for id, _ in late:
            self._give_up(id, "timed out")
        if self._waiting:
            soonest = min(one.deadline for one in self._waiting.values())
            if soonest < inf:
                self._watch(soonest)
        for _, one in late:
            what = f'{one.method} on "{self.name}"'
            one.failed(failures.late(self.link.transport, what, one.seconds * 1000))

    def _failed(self, id: int, failure: CallFailure) -> None:
        if (exchange := self._peer.take(id)) is not None:
            self._is_less()
            exchange.failed(failure)

    def _lost(self, failure: CallFailure) -> None:
        if self.live:
            self._end(failure)
            self._hooks.lost(self, failure.cause)
        elif self.init is None:
            # It ended while it was still being opened: whoever opens it must not wait for an answer.
            self._lost_early = failure

    def _expired(self, failure: CallFailure) -> None:
        if self.init is None:
            self._lost(failure)
        elif self.live:
            # No further request; those under way end by themselves, each in its own way.
            self.live = False
            self._reason = failure.cause
            self._hooks.lost(self, failure.cause)

    def _end(self, failure: CallFailure) -> None:
        self.live = False
        self._reason = failure.cause
        for task in self._questions.values():
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost = self._peer.close()
        self._is_less()
        for exchange in lost:
            # What was under way may have begun, whatever ended the link afterwards.
            exchange.failed(failures.ended(self.link.transport, failure))

    def _client_of(self, about: int | None, params: Raw | None) -> ClientPort | None:
        """The client that something is for that the server says: by the stream it came on, by the task it
        names, or because nobody else can be meant."""
        client = self._waiting[about].client if about is not None and about in self._waiting else None
        meant = self.audience.meant(client)
        if client is not None and meant is not None:
            return meant
        meant = meant or self.makers.maker(params)
        # Of several requests of that client, the latest: it may have a stream of its own.
        for one in reversed(self._waiting.values()):
            if one.client is not None and one.client.session is meant:
                return one.client
        return meant

    def forget(self, client: ClientPort) -> None:
        """Forgets a client that has left."""
        self.audience.leave(client)
        self.makers.forget(client)

    def _received(self, message: Message, about: int | None) -> None:
        if type(message) is Response:  # nearly always, and by far the fastest way to tell
            exchange = self._waiting.pop(message.id, None)  # type: ignore[arg-type]
            if exchange is not None:
                if self._idle.awaited and not self._waiting:
                    self._idle.come()
                exchange.answered(message.result)
                return
        if isinstance(message, Batch):
            for part in message.messages:
                self._received(part, about)
            return
        event = self._peer.receive(message)
        if self._peer.outbox:
            for line in self._peer.outbox:
                self.link.send(line)
            self._peer.outbox.clear()
        if event is not None:
            self._handle(event, about)

    def _handle(self, event: Any, about: int | None) -> None:
        match event:
            case ReplyReceived(_, result, exchange):
                self._is_less()
                exchange.answered(result)
            case ErrorReceived(_, error, exchange):
                self._is_less()
                exchange.failed(failures.refused(error, getattr(self.link, "veil", None)))
            case UnreadableReplyReceived(_, message, exchange):
                self._is_less()
                exchange.failed(CallFailure(Category.PROTOCOL, f"its answer cannot be read: {message}"))
            case ProgressReceived(_, params, exchange):
                if exchange.progress is not None:
                    exchange.progress(params)
            case NotificationReceived(method, params):
                self._hooks.told(self, method, params, self._client_of(about, params))
            case RequestReceived(id, method, params):
                kept = None if params is None else params.copy()
                client = self._client_of(about, params)
                self._questions[id] = self._tasks.spawn(self._ask(id, method, kept, client))
            case NoiseReceived(message):
                self._hooks.noise(self, message)
            case CancellationReceived(id, reason):
                # Cancelled before its first step, a task cannot clean up after itself.
                if (task := self._questions.pop(id, None)) is not None:
                    task.cancel(Withdrawal(reason))

    async def _ask(self, id: Id, method: str, params: Raw | None, client: ClientPort | None) -> None:
        try:
            line = self._peer.answer(id, await self._hooks.asked(self, method, params, client))
        except RpcError as error:
            line = self._peer.refuse(id, error.encoded())
        except Exception as error:
            # The root of the question's task: the server is told, or it would wait for ever.
            log.error(
                'could not pass on a question of "%s" (%s): an error in callmux',
                self.name,
                method,
                exc_info=error,
            )
            why = RpcError(INTERNAL_ERROR, "callmux could not pass this question on")
            line = self._peer.refuse(id, why.encoded())
        finally:
            # The server may use the id of a withdrawn question again before that one has ended.
            if self._questions.get(id) is asyncio.current_task():
                del self._questions[id]
        if line is not None:
            self.link.send(line)
