"""One live link to one server: the shell around `callmux.protocol.upstream_peer`.

Called by `callmux.upstream.server`, which opens, replaces and closes connections, and by the retrying stage,
which sends calls. Every request that waits (`callmux.upstream.exchanges`) ends: with the answer, at its own
time-out, by cancellation, or when the link is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from callmux.context import ClientPort
from callmux.lull import Lull
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Batch, Message, Response
from callmux.protocol.peer import CancellationReceived, NotificationReceived, RequestReceived
from callmux.protocol.upstream_peer import (
    ErrorReceived,
    InitializeResult,
    NoiseReceived,
    ProgressReceived,
    ReplyReceived,
    UnreadableReplyReceived,
    UpstreamPeer,
)
from callmux.protocol.versions import Era, era_of
from callmux.tasks import TaskSet, reason_of
from callmux.upstream import failures
from callmux.upstream.audience import Audience
from callmux.upstream.exchanges import Exchange, OwnExchange
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.hooks import Hooks
from callmux.upstream.links.link import Link, Listener, label_of
from callmux.upstream.liveness import Liveness
from callmux.upstream.open_questions import OpenQuestions
from callmux.upstream.opening.first_words import FirstWords
from callmux.upstream.opening.handshake import agree
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.patience import calls_of, due, tools_of
from callmux.upstream.reading.copying import LARGE, copied, own_copy
from callmux.upstream.reading.staleness import Staleness
from callmux.upstream.task_makers import TaskMakers

if TYPE_CHECKING:
    from callmux.upstream.stateless import Stateless

CLOCK_STEP = 0.001
"""A timer may come so much too early."""


class Connection:
    """One conversation with one server.

    Args:
        name: The server's name, for errors.
        link: The way to it, not yet open.
        hooks: Who hears what it does by itself.
        era: What the server is spoken to in first; what it is spoken to in, once it is open.
        declares: Gives what is declared on behalf of a client, where each request says so.

    Attributes:
        live: Requests may be sent.
        audience: The clients it serves.
        makers: Who made which task on it.
        staleness: Lists that the server has changed.
        liveness: Whether it answers anything at all.
        declared: What is declared on it.
        stateless: The era without a handshake, where the server is spoken to in that.
        init: What the server said of itself; None before `open` is done.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        hooks: Hooks,
        era: Era = Era.LEGACY,
        declares: Callable[[ClientPort], bytes] = lambda client: client.capabilities,
    ) -> None:
        self.name = name
        self.link = link
        self.live = False
        self.audience, self.makers, self.staleness = Audience(), TaskMakers(), Staleness()
        self.liveness = Liveness(self._ping)
        self.declared = b"{}"
        self.declares = declares
        self.stateless: Stateless | None = None
        self.init: InitializeResult | None = None
        self.hooks = hooks
        self.era = era
        self._peer = UpstreamPeer(hooks.unanswered)
        self._waiting: dict[int, Exchange] = self._peer.waiting
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf
        self._tasks = TaskSet(f'connection to "{name}"')
        self._questions = OpenQuestions(name, self._peer, link.send, self._tasks)
        self._idle = Lull(self._busy)
        self._reason = "the connection is not open"
        # Kept: on Python 3.11 asking for the running loop is a system call.
        self._loop = asyncio.get_running_loop()
        self._lost_early: CallFailure | None = None

    def __repr__(self) -> str:
        return f"Connection({self.name!r}, {'live' if self.live else 'ended'}, {self._peer!r})"

    @property
    def in_flight(self) -> int:
        """Requests that are not over: they wait for their answer, or their client is asked meanwhile."""
        return len(self._waiting) if self.stateless is None else self.stateless.under_way(self._waiting)

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self._peer.last

    @property
    def occupied(self) -> bool:
        """Whether a request, a question or a task is under way."""
        return bool(self._busy() or self._questions or self.makers.holds(self._loop.time()))

    async def open(
        self, client_info: bytes, capabilities: bytes, seconds: float, eras: KnownEra | None = None
    ) -> InitializeResult:
        """Opens the link and agrees with the server on how it is spoken to.

        Args:
            eras: What is known of the eras of the server; None for a handshake.

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
                words = FirstWords(self, self._peer, client_info, capabilities)
                self.init = await agree(words, eras or KnownEra(only=Era.LEGACY), self.era)
        except TimeoutError as late:
            why = getattr(late.__cause__, "__cause__", None)  # it waited for other processes to end
            raise (why if isinstance(why, CallFailure) else limit) from None
        self.era = era_of(self.init.protocol_version) or Era.LEGACY
        if self.era is Era.MODERN:
            from callmux.upstream.stateless import Stateless  # most servers need nothing of it

            revision, label = self.init.protocol_version, label_of(self.link)
            self.stateless = Stateless(self, revision, client_info, label, partial(self.hooks.lost, self))
        return self.init

    def send(self, exchange: Exchange) -> None:
        """Sends a request, which is told what becomes of it.

        Raises:
            CallFailure: It cannot be sent.
        """
        if not self.live:
            raise failures.lost(self._reason, started=False)
        if self.stateless is not None:
            sent = self.stateless.take(exchange)
            if sent is None:
                return
            exchange = sent
        peer = self._peer
        peer.last = exchange.number = id = peer.last + 1
        line = exchange.line(id)
        self._waiting[id] = exchange
        if exchange.deadline < self._due:
            self._watch(exchange.deadline)
        self.link.send(line, id, len(self._waiting) == 1)

    def abandon(self, exchange: Exchange, reason: str | None) -> None:
        """Gives up an exchange: nobody wants its answer any more."""
        found = self._waiting.get(exchange.number)
        if found is exchange or (self.stateless is not None and self.stateless.gives_up(found, exchange)):
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
        own = self.own(method, params, seconds)
        own.client, own.progress = client, progress
        self.send(own)
        return self.answer(own)

    def own(self, method: str, params: bytes | Raw | None, seconds: float) -> OwnExchange:
        """A request of callmux itself, not sent yet."""
        answer: asyncio.Future[Raw] = self._loop.create_future()
        deadline = self._loop.time() + seconds
        return OwnExchange(method=method, params=params, seconds=seconds, deadline=deadline, answer=answer)

    async def answer(self, own: OwnExchange) -> bytes:
        """What answers a request of callmux itself; it is given up where nobody waits any more."""
        try:
            result = await own.answer
        except asyncio.CancelledError as given_up:
            self.abandon(own, reason_of(given_up, "the caller no longer wants it"))
            raise
        # What is kept must not pin the line it came in.
        return own_copy(result) if memoryview(result).nbytes <= LARGE else await copied(result)

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        """Sends a notification; dropped where the link has ended, or the server takes none."""
        if self.live and self.stateless is None:
            self.link.send(jsonrpc.notification(method, params))

    def _ping(self, seconds: float) -> Coroutine[Any, Any, bytes]:
        return self.request("ping" if self.stateless is None else self.stateless.ping, None, seconds)

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
        """Ends the link, also where whoever closes it is cancelled meanwhile; whatever still waits fails."""
        self._end(over := failures.lost("the connection was closed", started=True))
        if self.stateless is not None:
            self.stateless.close(failures.ended(self.link.transport, over))
        try:
            await self._tasks.cancel()
        finally:
            await self.link.close()

    def _give_up(self, id: int, reason: str | None) -> None:
        quiet = self.stateless is not None and self.stateless.is_quiet(self._waiting.get(id))
        if (line := self._peer.cancel(id, reason, doubtful=not quiet)) is not None:
            if self.stateless is None or not self.stateless.ends_streams:
                self.link.send(line)
            self.link.abandon(id)
        self.eased()

    def calls_of(self, client: ClientPort) -> int:
        """How many calls of a request are under way here."""
        return calls_of(client, self._waiting.values(), self.stateless.asking if self.stateless else ())

    def tools_of(self, client: ClientPort | None) -> set[str]:
        """The tools whose calls are under way here, of one client where it is given."""
        return tools_of(client, self._waiting.values())

    def _busy(self) -> object:
        return self._waiting if self.stateless is None else self.stateless.is_busy(self._waiting)

    def eased(self) -> None:
        """Somebody who waited here does no longer."""
        if self._idle.awaited and not self._busy():
            self._idle.come()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts something that ends with the connection."""
        return self._tasks.spawn(work)

    def tell(self, method: str, params: Raw | None) -> None:
        """Hands over a notification as if it had come from the server, and were for everybody."""
        self.hooks.told(self, method, params, None)

    async def ask(
        self, method: str, params: Raw | None, client: ClientPort, name: str | None = None
    ) -> bytes | Raw:
        """The client's answer to what the server wants to know for its request; raises `RpcError`."""
        return await self.hooks.asked(self, method, params, client, name)

    def _watch(self, due: float) -> None:
        """Sets one timer for all requests, at the earliest deadline there is now."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer, self._due = None, inf
        now = self._loop.time() + CLOCK_STEP
        late = [(id, one) for id, one in self._waiting.items() if due(one, now) <= now]
        for id, _ in late:
            self._give_up(id, "timed out")
        if (soonest := min((due(one, now) for one in self._waiting.values()), default=inf)) < inf:
            self._watch(soonest)
        for _, one in late:
            what = f'{one.method} on "{self.name}"'
            one.failed(failures.late(self.link.transport, what, one.seconds * 1000))

    def _failed(self, id: int, failure: CallFailure) -> None:
        if (exchange := self._peer.take(id)) is not None:
            self.eased()
            exchange.failed(failure)

    def _lost(self, failure: CallFailure) -> None:
        if self.live:
            self._end(failure)
            self.hooks.lost(self, failure.cause)
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
            self.hooks.lost(self, failure.cause)

    def _end(self, failure: CallFailure) -> None:
        self.live = False
        self._reason = failure.cause
        self._questions.close()
        if self._timer is not None:
            self._timer.cancel()
        lost = self._peer.close()
        self.eased()
        for exchange in lost:
            # What was under way may have begun, whatever ended the link afterwards.
            exchange.failed(failures.ended(self.link.transport, failure))

    def _meant(self, about: int | None, params: Raw | None) -> ClientPort | None:
        return self.audience.addressee(self._waiting, about, lambda: self.makers.maker(params))

    def forget(self, client: ClientPort) -> None:
        """Forgets a client that has left."""
        self.audience.leave(client)
        self.makers.forget(client)

    def _received(self, message: Message, about: int | None) -> None:
        if type(message) is Response:  # nearly always, and by far the fastest way to tell
            exchange = self._waiting.pop(message.id, None)  # type: ignore[arg-type]
            if exchange is not None:
                if self._idle.awaited:
                    self.eased()
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
                self.eased()
                exchange.answered(result)
            case ErrorReceived(_, error, exchange):
                self.eased()
                exchange.failed(failures.refused(error, getattr(self.link, "veil", None)))
            case UnreadableReplyReceived(_, message, exchange):
                self.eased()
                exchange.failed(CallFailure(Category.PROTOCOL, f"its answer cannot be read: {message}"))
            case ProgressReceived(_, params, exchange):
                if exchange.progress is not None:
                    exchange.progress(params)
            case NotificationReceived(method, params):
                if self.stateless is not None and (params := self.stateless.heard(method, params)) is None:
                    return
                self.hooks.told(self, method, params, self._meant(about, params))
            case RequestReceived(id, method, params):
                name, client = id if isinstance(id, str) else None, self._meant(about, params)
                ask = lambda kept, client: self.hooks.asked(self, method, kept, client, name)  # noqa: E731
                meant = partial(self._meant, None) if about is None else None
                self._questions.come(id, method, params, ask, client, meant)
            case NoiseReceived(message):
                self.hooks.noise(self, message)
            case CancellationReceived(id, reason):
                self._questions.withdrawn(id, reason)
