"""One client's session: the shell around `callmux.protocol.client_peer`.

Called by a transport, which feeds messages and takes lines. Each request runs in a task of the session, so
that it ends with the session and not with whatever carried it here. Servers reach the client through
`notify` and `ask`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol import jsonrpc, versions
from callmux.protocol.client_peer import (
    Called,
    Cancelled,
    ClientPeer,
    Confirmed,
    Opened,
    Replied,
    State,
    Told,
)
from callmux.protocol.jsonrpc import Batch, Failure, Id, Malformed, Message, Request, Response, RpcError
from callmux.protocol.params import members, progress_token, with_progress_token
from callmux.session.facts import NOTHING, Facts, Said
from callmux.session.pulse import PROGRESS, TOKEN, Pulse
from callmux.session.request_port import RequestPort
from callmux.tasks import TaskSet, Withdrawal, reason_of

log = logging.getLogger(__name__)

MOST_HELD = 1000
"""Messages of servers that wait for a client that does not read; answers are beside this."""
HELD_BYTES = 8 * 1024 * 1024
"""What these may take."""
_OURS = RpcError(jsonrpc.INTERNAL_ERROR, "callmux failed internally; see its log on stderr")


class Handler(Protocol):
    """What a session's requests lead to: the router here, the relay in a bridge."""

    async def open(self, session: Session, params: Raw | None) -> bytes:
        """The result of `initialize`."""

    def handle(
        self, session: Session, method: str, params: Raw | None, port: ClientPort
    ) -> Awaitable[bytes | Raw]:
        """The result of any other request.

        Args:
            port: The way back to the client for what belongs to this request.

        Raises:
            RpcError: It is refused.
        """

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        """A notification of the client."""


class Session:
    """One client.

    Args:
        handler: What its requests lead to.
        send: Takes each line for the client.
        route: Where the transport has a stream per request, takes each line in place of `send`, with the id
            of the client's request it belongs to, and whether it is the last of that request: its answer, or
            nothing at all for one that was cancelled.
        flush: Called after an answer where no other request is in flight: nothing more is to be expected now.

    Attributes:
        capabilities: What the client declared, as canonical JSON.
        version: The MCP revision agreed on.
        log_level: What it set with `logging/setLevel`, or None.
        seen: What the client was given last, by kind of list.
        facts: What else is known of it.
        offers: Names of experimental capabilities that its transport has; the handshake tells the client.
        quiet: Set while no request is in flight.
    """

    def __init__(
        self,
        handler: Handler,
        send: Callable[[bytes], None],
        route: Callable[[bytes, Id | None, bool], None] | None = None,
        flush: Callable[[], None] | None = None,
    ) -> None:
        self._handler = handler
        self._send = send
        self._route = route
        self._flush = flush
        self._peer = ClientPeer()
        self._pulse = Pulse(self.notify)
        self._tasks = TaskSet("session")
        self._requests: dict[Id, tuple[int, asyncio.Task[None]]] = {}
        self._count = 0
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._progress: dict[int, tuple[Raw, Callable[[bytes], None]]] = {}
        self.capabilities = b"{}"
        self.version: str | None = None
        self.log_level: str | None = None
        self.seen: dict[str, bytes] = {}
        self.facts = Facts()
        self.offers: frozenset[str] = frozenset()
        self.quiet = asyncio.Event()
        self.quiet.set()
        self._reading = asyncio.Event()
        self._reading.set()
        self._held = self._held_bytes = self._dropped = 0

    def __repr__(self) -> str:
        return f"Session({self._peer!r})"

    @property
    def session(self) -> Session:
        """Itself; see `callmux.context.ClientPort`."""
        return self

    @property
    def is_ready(self) -> bool:
        """The handshake is done."""
        return self._peer.state is State.READY

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer."""
        return len(self._requests)

    @property
    def own_lanes(self) -> bool:
        """It needs connections of its own; see `callmux.context.ClientPort`."""
        return self.log_level is not None

    @property
    def reading(self) -> bool:
        """It takes what it is sent; see `callmux.context.ClientPort`."""
        return self._reading.is_set()

    async def until_reading(self) -> None:
        await self._reading.wait()

    def flow(self, reading: bool) -> None:
        """Told by the transport when the client stops and begins to read."""
        if not reading:
            self._reading.clear()
            return
        self._reading.set()
        if self._dropped:
            log.warning("%d messages of servers were dropped: the client did not read", self._dropped)
        self._held = self._held_bytes = self._dropped = 0

    @property
    def takes_batches(self) -> bool:
        """Several messages may come in one array: the revision agreed on has that, or none is agreed on."""
        return self.version is None or self.version in versions.BATCHES

    def receive(self, message: Message, said: Said = NOTHING) -> None:
        """Takes one message of the client.

        Args:
            said: What the HTTP request that carried it said beside it.
        """
        if isinstance(message, Batch):
            if self.takes_batches:
                for part in message.messages:
                    self.receive(part, said)
            elif self._peer.state is not State.CLOSED:
                self._emit(jsonrpc.failure(None, *self.no_batches()), None)
            return
        try:
            event = self._peer.receive(message)
            if self._peer.outbox:
                for line in self._peer.outbox:
                    self._emit(
                        line, message.id if isinstance(message, Request | Malformed) else None, final=True
                    )
                self._peer.outbox.clear()
            if type(event) is Called:  # nearly always, and by far the fastest way to tell
                self._serve(event.id, event.method, event.params, said)
                return
            match event:
                case Opened(id, params):
                    self._serve(id, "initialize", params, said)
                case Cancelled(id, reason):
                    # Cancelled before its first step, a task cannot clean up after itself; and from here on
                    # the client may use the id for another request.
                    if (running := self._requests.pop(id, None)) is not None:
                        running[1].cancel(Withdrawal(reason))
                        self._over(id)
                case Told("notifications/progress", params):
                    self._progressed(params)
                case Told(method, params):
                    self._handler.told(self, method, params)
                case Replied(id, answer):
                    self._settle(id, answer)
                case Called() | Confirmed() | None:
                    pass
        except Exception as broken:  # noqa: BLE001 - the root of a message
            # Whatever carries the messages goes on: what follows has nothing to do with this one.
            self._fault("a message", broken)
            if isinstance(message, Request) and message.id not in self._requests:
                self._deliver(message.id, self._peer.refuse(message.id, _OURS.encoded()))

    def no_batches(self) -> tuple[int, str]:
        """Code and message of the refusal of a batch."""
        reason = f"revision {self.version} has no batches: send each message by itself"
        return jsonrpc.INVALID_REQUEST, reason

    def _serve(self, id: Id, method: str, params: Raw | None, said: Said) -> None:
        # A raw body is a view into the transport's buffer, which must not be kept as long as a call may last.
        body = b"" if params is None else bytes(params)
        kept = None if params is None else Raw(body)
        self._count += 1
        task = self._tasks.spawn(self._run(self._count, id, method, kept, said))
        self._requests[id] = self._count, task
        if TOKEN in body:
            self._pulse.watch(task, id, body)
        self.quiet.clear()

    async def _run(self, number: int, id: Id, method: str, params: Raw | None, said: Said) -> None:
        error: RpcError | None = None
        result: bytes | Raw = b""
        try:
            if method == "initialize":
                result = await self._handler.open(self, params)
            else:
                port = self if self._route is None else RequestPort(self, id, said)
                result = await self._handler.handle(self, method, params, port)
        except RpcError as refusal:
            error = refusal
        except asyncio.CancelledError as stray:
            if (task := asyncio.current_task()) is None or task.cancelling():
                if self._is(id, number):
                    del self._requests[id]
                    self._over(id)
                raise
            # Not we were cancelled, but what we waited for.
            error = self._fault(method, stray)
        except (GeneratorExit, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as broken:  # noqa: BLE001 - the root of the task
            # Whatever it is (panics of Rust are no Exceptions), the client must not wait for ever.
            error = self._fault(method, broken)
        if not self._is(id, number):
            return
        del self._requests[id]
        peer = self._peer
        is_due = id in peer.in_flight
        try:
            line = peer.answer(id, result) if error is None else peer.refuse(id, error.encoded())
            self._deliver(id, line)
        except Exception as broken:  # noqa: BLE001 - the root of an answer
            # Such as no memory for it: a short answer takes its place.
            peer.in_flight.discard(id)
            short = jsonrpc.failure_raw(id, self._fault(method, broken).encoded())
            self._deliver(id, short if is_due else None)
        if not self._requests:
            self.quiet.set()
            if self._route is None and self._flush is not None:
                self._flush()

    def _fault(self, method: str, broken: BaseException) -> RpcError:
        log.error("%s failed in callmux itself: %r", method, broken, exc_info=broken)
        return _OURS

    def _deliver(self, id: Id, line: bytes | None) -> None:
        """Hands over the answer to a request, or that there is none."""
        if self._route is not None:
            self._route(line or b"", id, True)
        elif line is not None:
            self._send(line)

    def _is(self, id: Id, number: int) -> bool:
        """Whether `id` still stands for the request of that number: one that was cancelled has lost it, and
        the client may use it again before the cancelled task has ended."""
        return self._requests.get(id, (0,))[0] == number

    def _over(self, id: Id) -> None:
        """The request `id` ends without an answer."""
        if self._route is not None:
            self._route(b"", id, True)
        if not self._requests:
            self.quiet.set()

    def _emit(self, line: bytes, about: Id | None, final: bool = False) -> None:
        if self._route is not None:
            self._route(line, about, final)
        else:
            self._send(line)

    def _settle(self, id: int, answer: Response | Failure) -> None:
        waiter = self._answers.get(id)
        if waiter is None or waiter.done():
            return
        if isinstance(answer, Response):
            waiter.set_result(bytes(answer.result))
        else:
            error = jsonrpc.read_error(answer.error)
            waiter.set_exception(RpcError(error.code, error.message, error.data))

    def notify(self, method: str, params: bytes | Raw | None, about: Id | None = None) -> None:
        """Sends a notification; dropped once the session is closed.

        Args:
            about: The client's request it belongs to.
        """
        if self._peer.state is State.CLOSED:
            return
        shown = self._pulse.heard(params) if self._pulse and method == PROGRESS else params
        line = jsonrpc.notification(method, shown)
        if self._reading.is_set() or self._holds(line):
            self._emit(line, about)
        else:
            self._dropped += 1

    def _holds(self, line: bytes) -> bool:
        """Whether there is room for a message to a client that does not read."""
        self._held += 1
        self._held_bytes += len(line)
        return self._held <= MOST_HELD and self._held_bytes <= HELD_BYTES

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
        about: Id | None = None,
    ) -> bytes:
        """Asks the client something a server wants to know; a cancelled question is withdrawn.

        Args:
            progress: Takes the params of the client's progress, where the question wants any.
            about: The client's request it belongs to.

        Raises:
            RpcError: It refuses, or its session is closed.
        """
        if self._peer.state is State.CLOSED:
            raise RpcError(jsonrpc.INTERNAL_ERROR, "the client has left")
        if not (self._reading.is_set() or self._holds(bytes(params or b""))):
            raise RpcError(jsonrpc.INTERNAL_ERROR, "the client does not read what it is sent")
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        token = progress_token(members(params).get("_meta")) if progress is not None else None
        if token is not None:
            # Several servers may use the same token: towards the client it is the question's own id.
            params = with_progress_token(params, self._peer.next_id())
        id, line = self._peer.ask(method, params)
        self._answers[id] = waiter
        if token is not None and progress is not None:
            self._progress[id] = token, progress
        self._emit(line, about)
        try:
            return await waiter
        except asyncio.CancelledError as withdrawn:
            reason = reason_of(withdrawn, "the server no longer asks")
            told = {"requestId": id} if reason is None else {"requestId": id, "reason": reason}
            self.notify("notifications/cancelled", msgspec.json.encode(told), about)
            raise
        finally:
            self._peer.forget(id)
            self._progress.pop(id, None)
            del self._answers[id]

    def _progressed(self, params: Raw | None) -> None:
        given = members(params)
        try:
            id = msgspec.json.decode(given.get("progressToken", b"null"), type=int)
        except msgspec.MsgspecError:
            return
        if id in self._progress:
            given["progressToken"], progress = self._progress[id]
            progress(msgspec.json.encode(given))

    def revive(self, capabilities: bytes, version: str) -> None:
        """Goes on as a session whose handshake another process has done."""
        self.capabilities = capabilities
        self.version = version
        self._peer.state = State.READY
        self._peer.begin_ids_at(secrets.randbits(40))

    def knows(self, message: Message) -> bool:
        """Whether an answer or a cancellation is about something in flight here; see `ClientPeer.knows`."""
        return isinstance(message, Batch) or self._peer.knows(message)

    async def close(self) -> None:
        """Gives up every request in flight; nothing is answered any more."""
        self._peer.close()
        for waiter in self._answers.values():
            if not waiter.done():
                waiter.set_exception(RpcError(jsonrpc.INTERNAL_ERROR, "the client has left"))
        await self._tasks.cancel()
