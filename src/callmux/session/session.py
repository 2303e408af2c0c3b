"""One client's session: the shell around `callmux.protocol.client_peer`.

Called by a transport, which feeds messages and takes lines. Each request is a record that ends with the
session (`callmux.session.request`) and not with whatever carried it here. Servers reach the client through
`notify` and `ask`. How it works, and what is ugly, stands at the top of the package.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, ValuesView
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from callmux.lull import Lull
from callmux.protocol import jsonrpc, versions
from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.client_peer import (
    ClientPeer,
    Opened,
    ReplyReceived,
    StatelessReceived,
)
from callmux.protocol.jsonrpc import ANSWER, Batch, Id, Malformed, Message, OfOtherEra, RpcError
from callmux.protocol.jsonrpc import Request as Asked
from callmux.protocol.peer import CancellationReceived, NotificationReceived, RequestReceived, State
from callmux.session.backlog import Backlog
from callmux.session.facts import NOTHING, Facts, Said, kind_of
from callmux.session.handler import Handler
from callmux.session.inquiries import Inquiries
from callmux.session.pulse import Pulse
from callmux.session.request import PROGRESS, Observer, Request, Unparked
from callmux.tasks import at_once

if TYPE_CHECKING:
    from callmux.protocol import modern

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""How long requests that were given up may take to end."""
_OURS = RpcError(jsonrpc.INTERNAL_ERROR, "callmux failed internally; see its log on stderr")


class Session(Unparked):
    """One client.

    Args:
        handler: What its requests lead to.
        send: Takes each line for the client.
        route: Where the transport has a stream per request, takes each line in place of `send`, with the id
            of the client's request it belongs to, and whether it is the last of that request: its answer, or
            nothing at all for one that was cancelled.
        flush: Called after an answer where no other request is in flight: nothing more is to be expected now.
        now: The loop's clock, where the transport knows a cheaper way to ask for it.

    Attributes:
        capabilities: What the client declared, as canonical JSON.
        version: The MCP revision agreed on.
        log_level: What it set with `logging/setLevel`, or None.
        server_level: What servers are told for it; see `callmux.context.ClientPort`.
        seen: What the client was given last, by kind of list.
        facts: What else is known of it.
        stateless: There was no handshake: whatever its client is told belongs to one of its requests.
        over: Called when nothing more will come of a request of a revision without a handshake.
        offers: Names of experimental capabilities that its transport has; the handshake tells the client.
        peer: The protocol's side of it.
        quiet: Those who wait until no request is in flight.
        reading: It takes what it is sent; see `callmux.context.ClientPort`.
        pulse: Signs of life for its requests that carry a progress token.
        observer: Told of its requests; None where nobody listens.
    """

    doing, trace, lasting = "", None, True

    def __init__(
        self,
        handler: Handler[Session],
        send: Callable[[bytes], None],
        route: Callable[[bytes, Id | None, bool], None] | None = None,
        flush: Callable[[], None] | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._handler = handler
        self._send, self._route, self._flush = send, route, flush
        self.peer = ClientPeer()
        self.pulse = Pulse(self.notify)
        self._requests: dict[Id, Request] = self.peer.in_flight
        self._now = now
        self._inquiries = Inquiries(self.peer, self._emit, self.notify)
        self.capabilities = b"{}"
        self.version: str | None = None
        self.log_level: str | None = None
        self.server_level: str | None = None
        self.seen: dict[str, bytes] = {}
        self.facts = Facts()
        self.offers: frozenset[str] = frozenset()
        self.stateless, self.reading = False, True
        self.over: Callable[[], None] | None = None
        self.quiet = Lull(self._requests.__len__)
        self.observer: Observer | None = None
        self._backlog = Backlog()

    def __repr__(self) -> str:
        return f"Session({self.peer!r})"

    @property
    def session(self) -> Session:
        """This session; see `callmux.context.ClientPort`."""
        return self

    @property
    def kind(self) -> bytes:
        return kind_of(self.capabilities, self.facts.principal)

    @property
    def is_ready(self) -> bool:
        """Whether the handshake is done."""
        return self.peer.state is State.READY

    @property
    def requests(self) -> ValuesView[Request]:
        """Its requests in flight, the oldest first."""
        return self._requests.values()

    async def until_reading(self) -> None:
        if not self.reading:
            await self._backlog.wait()

    def flow(self, reading: bool) -> None:
        """Called by the transport when the client stops and begins to read."""
        self.reading = reading
        if reading:
            self._backlog.is_over()

    @property
    def takes_batches(self) -> bool:
        """Whether several messages may come in one array: the revision has that, or none is agreed on."""
        return self.version is None or self.version in versions.BATCHES

    def receive(self, message: Message | Calling, said: Said = NOTHING) -> None:
        """Takes one message of the client, with what the HTTP request that carried it said beside it."""
        if type(message) is Calling or (type(message) is Asked and message.method == "tools/call"):
            id = message.id
            if self.peer.greeted and id not in self._requests:
                now = self._now or self._clock()
                request = self._requests[id] = Request(self, id, "tools/call", said, now())
                if self.observer is not None:
                    self.observer.began(request, raw(message.params))
                try:
                    work = self._handler.call(self, message.params, request)
                    if work is not None:
                        self.follow(request, work, raw(message.params))
                except BaseException as broken:  # noqa: BLE001 - the root of a request
                    self._broke(request, broken, raw(message.params))
                return
        if isinstance(message, Calling):
            message = message.request()
        if isinstance(message, Batch):
            for part in message.messages if self.takes_batches else ():
                self.receive(part, said)
            if not self.takes_batches and self.peer.state is not State.CLOSED:
                self._emit(jsonrpc.failure(None, *self.no_batches()), None)
            return
        try:
            event = self.peer.receive(message)
            about = message.id if isinstance(message, jsonrpc.Request | Malformed) else None
            for line in self.peer.outbox:
                self._emit(line, about, final=True)
            self.peer.outbox.clear()
            match event:
                case RequestReceived(id, method, params):
                    self.begin(Request(self, id, method, said), params)
                case StatelessReceived(asked):
                    self._handler.stateless(self, asked, said)
                case Opened(id, params):
                    self.begin(Request(self, id, "initialize", said), params)
                case CancellationReceived(_, reason, request):
                    # From here on the client may use the id for another request.
                    if request is not None:
                        request.cancel(reason)
                        self._over(request)
                case NotificationReceived("notifications/progress", params):
                    self._inquiries.progressed(params)
                case NotificationReceived(method, params):
                    self._handler.told(self, method, params)
                case ReplyReceived(id, answer):
                    self._inquiries.settle(id, answer)
        except Exception as broken:  # noqa: BLE001 - the root of a message
            # Whatever carries the messages goes on: what follows has nothing to do with this one.
            fault = self._fault("a message", broken)
            if isinstance(message, jsonrpc.Request):
                if (entered := self._requests.get(message.id)) is None:
                    self._emit(self.peer.refuse(message.id, fault.encoded()), message.id, final=True)
                elif entered.job is None and entered.task is None:
                    entered.refused(fault)

    def let_go(self, request: Request, *, last: bool = False) -> None:
        """A request is not in flight any more, nor answered; `last` says that nothing of it will come."""
        del self._requests[request.id]
        if last:
            self._over(request)
        elif self.observer is not None:
            self.observer.ended(request, None)

    def no_batches(self) -> tuple[int, str]:
        """Code and message of the refusal of a batch."""
        return jsonrpc.INVALID_REQUEST, f"revision {self.version} has no batches: send each message by itself"

    def receive_stateless(
        self, message: Asked | Calling, said: Said, asked: modern.Asked | None = None
    ) -> None:
        """See `Handler.stateless`."""
        if message.id not in self._requests and not self.peer.closed:
            self._handler.stateless(self, message, said, asked)

    def enter(self, request: Request, params: DirectCall | Raw | None) -> None:
        """Counts a request among those in flight."""
        request.started = (self._now or self._clock())()
        self._requests[request.id] = request
        if self.observer is not None:
            self.observer.began(request, raw(params))

    def begin(self, request: Request, params: DirectCall | Raw | None) -> None:
        """Takes a request and begins with it."""
        self.enter(request, params)
        self.run(request, params)

    def run(self, request: Request, params: DirectCall | Raw | None) -> None:
        """Begins with a request in flight."""
        try:
            handler, method = self._handler, request.method
            if method == "tools/call":
                work = handler.call(self, params, request)
            elif method == "initialize":
                self.stateless = False
                work = handler.open(self, raw(params))
            else:
                work = handler.handle(self, method, raw(params), request)
            if work is not None:
                self.follow(request, work, raw(params))
        except BaseException as broken:  # noqa: BLE001 - the root of a request
            self._broke(request, broken, raw(params))

    def _clock(self) -> Callable[[], float]:
        # Kept: on Python 3.11 asking for the running loop is a system call.
        self._now = asyncio.get_running_loop().time
        return self._now

    def follow(self, request: Request, work: Coroutine[Any, Any, bytes | Raw], params: Raw | None) -> None:
        """Answers the request with what `work` gives."""
        self.pulse.look_at(request, params)
        request.task = at_once(work)
        request.task.add_done_callback(partial(self._is_done, request))

    def _broke(self, request: Request, broken: BaseException, params: Raw | None) -> None:
        """Answers a request that was not begun."""
        if isinstance(broken, KeyboardInterrupt | SystemExit):
            raise broken
        if isinstance(broken, OfOtherEra):
            # What reads the params of a tool call saw it: it is not this session's request.
            self.let_go(request)
            self._handler.stateless(self, jsonrpc.Request(request.id, request.method, params), request.said)
            return
        if isinstance(broken, RpcError):
            request.refused(broken)
        else:
            self.fail(request, broken)

    def _is_done(self, request: Request, task: asyncio.Task[bytes | Raw]) -> None:
        if task.cancelled():
            # Where the request is still there, not it was cancelled, but what it waited for.
            self.fail(request, asyncio.CancelledError())
        elif (error := task.exception()) is None:
            request.answered(task.result())
        elif isinstance(error, RpcError):
            request.refused(error)
        else:
            self.fail(request, error)

    def conclude(self, request: Request, body: bytes | Raw, refused: bool = False) -> None:
        """Answers a request with a result, or with an error, unless it was cancelled."""
        id, requests = request.id, self._requests
        found = requests.pop(id, None)
        if found is not request:
            if found is not None:
                requests[id] = found
            return
        if self.pulse.beats:
            self.pulse.over(request)
        if self.observer is not None:
            self.observer.ended(request, body, refused=refused)
        route = self._route
        try:
            if type(id) is int and not refused:
                line = ANSWER % (id, body)
            else:
                line = (jsonrpc.failure_raw if refused else jsonrpc.response)(id, body)
            if route is None:
                self._send(line)
            else:
                route(line, id, True)
        except Exception as broken:  # noqa: BLE001 - the root of an answer
            # Such as no memory for it: a short answer takes its place.
            short = jsonrpc.failure_raw(id, self._fault(request.method, broken).encoded())
            self._emit(short, id, final=True)
        if not requests and (route is None or self.quiet.awaited):
            self._is_quiet()

    def fail(self, request: Request, broken: BaseException) -> None:
        """Answers a request that failed in callmux itself. Whatever it was (panics of Rust are no
        Exceptions), its client must not wait for ever."""
        if self._requests.get(request.id) is request or request.is_parked:
            request.refused(self._fault(request.method, broken))

    def _fault(self, method: str, broken: BaseException) -> RpcError:
        log.error("%s failed in callmux itself: %r", method, broken, exc_info=broken)
        return _OURS

    def _over(self, request: Request) -> None:
        """Ends a request without an answer."""
        self.pulse.over(request)
        if self.observer is not None:
            self.observer.ended(request, None)
        self._emit(None, request.id, final=True)
        if self.quiet.awaited and not self._requests:
            self.quiet.come()

    def _is_quiet(self) -> None:
        """Its last request has been answered: nothing more is to be expected now."""
        if self.quiet.awaited:
            self.quiet.come()
        if self._route is None and self._flush is not None:
            self._flush()

    def _emit(self, line: bytes | None, about: Id | None, final: bool = False) -> None:
        """Hands over a line for the client; None where a request ends without any."""
        if self._route is not None:
            self._route(line or b"", about, final)
        elif line is not None:
            self._send(line)

    def notify(self, method: str, params: bytes | Raw | None, about: Id | None = None) -> None:
        """Sends a notification `about` a request of the client; dropped once the session is closed."""
        if self.peer.state is State.CLOSED or (self.stateless and about is None):
            return
        shown = self.pulse.heard(params) if self.pulse.beats and method == PROGRESS else params
        line = jsonrpc.notification(method, shown)
        if self.reading or self._backlog.takes(len(line)):
            self._emit(line, about)
        else:
            self._backlog.dropped += 1

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
        name: str | None = None,
        about: Id | None = None,
    ) -> bytes:
        """See `callmux.context.ClientPort`; a cancelled question is withdrawn.

        Args:
            about: The client's request it belongs to.
        """
        if self.peer.state is State.CLOSED:
            raise RpcError(jsonrpc.INTERNAL_ERROR, "the client has left")
        if self.stateless:
            raise RpcError(jsonrpc.INTERNAL_ERROR, "the client can only be asked during a request of its own")
        if not (self.reading or self._backlog.takes(len(bytes(params or b"")))):
            raise RpcError(jsonrpc.INTERNAL_ERROR, "the client does not read what it is sent")
        return await self._inquiries.ask(method, params, progress, about)

    def revive(self, capabilities: bytes, version: str) -> None:
        """Goes on as a session whose handshake another process has done."""
        self.capabilities = capabilities
        self.version = version
        self.peer.state = State.READY
        self.peer.begin_ids_at(int.from_bytes(os.urandom(5), "big"))

    def knows(self, message: Message) -> bool:
        """Whether an answer or a cancellation is about something in flight here; see `ClientPeer.knows`."""
        return isinstance(message, Batch) or self.peer.knows(message)

    async def close(self) -> None:
        """Gives up every request in flight; nothing is answered any more."""
        ending = list(self._requests.values())
        self.peer.close()
        self._inquiries.close()
        for request in ending:
            request.cancel("the caller no longer wants it")
            self._over(request)
        waiting = {task for request in ending if (task := request.waits_for) is not None}
        if waiting - {asyncio.current_task()}:
            await asyncio.wait(waiting - {asyncio.current_task()}, timeout=CLOSE_SECONDS)
