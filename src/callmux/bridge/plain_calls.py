"""Plain calls through the bridge: sent in the callback that brings them, answered in the one that brings
their answer, without a task, a future or a timer of their own.

Made by `callmux.bridge.link`, used by `callmux.bridge.relay`. A call is plain as long as its answer is all
that comes, comes soon and in one piece. Whatever else happens to it, it goes on as any other request, from
where it is: it has been sent, and nothing of its answer was taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, cast

from msgspec import Raw

from callmux.bridge.client import Connection
from callmux.bridge.pages import fit
from callmux.bridge.stream import Stream, Waiter
from callmux.context import CallContext
from callmux.protocol.http_answer import answer_to
from callmux.rings.ring import Job
from callmux.session.request import Request

if TYPE_CHECKING:
    from callmux.bridge.client import HttpClient
    from callmux.bridge.heads import Heads

LOOK_SECONDS = 1.0
"""How often it is looked which calls take long."""
LONGEST_SECONDS = 1.5 * LOOK_SECONDS
"""How long a call may be plain: one that may not take as long has a timer of its own."""
_CALL = b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%b}'
_NOWHERE = CallContext(client=cast(Any, None))
"""What a bridge knows of the circumstances of a call."""

GoOn: TypeAlias = "Callable[[PlainCall, Sent], None]"


class Sent(NamedTuple):
    """A request that was sent, and waits for its answer.

    Attributes:
        link: Where; whoever takes it from here knows it as what it is.
        id: Its number there.
        waiter: Gets the answer.
        stream: Takes what comes.
        since: When it was sent, by the loop's clock.
    """

    link: SendingLink
    id: int
    waiter: Waiter
    stream: Stream
    since: float

    def forget(self) -> None:
        """Whoever should wait for it has ended; where that never began to, nobody wants the answer."""
        if not self.waiter.done():
            self.link.withdraw(self.id, "tools/call", None)
            self.waiter.cancel()
            self.stream.close()


class SendingLink(Protocol):
    """The link, as far as this knows it.

    Attributes:
        heads: The heads of its requests.
        count: The number of the last one.
    """

    heads: Heads
    count: int

    def sent(self, id: int, connection: Connection, since: float) -> Sent:
        """What waits for the answer to a request that was sent at a time of the loop's clock."""

    def withdraw(self, id: int, method: str, reason: str | None) -> None:
        """Tells the listener that nobody wants an answer any more."""


class PlainCall(Job, kw_only=True):
    """One call.

    Attributes:
        request: The client's.
        params: Of the call, as they came.
        go_on_by: Answers the request as any other.
        connection: What carries it.
        number: Its id on the link.
        since: When it was sent.
    """

    context: CallContext = _NOWHERE
    request: Request
    params: Raw
    go_on_by: GoOn
    connection: Connection
    number: int = 0
    since: float = 0.0


class PlainAnswer:
    """Takes the answer to a plain call (`callmux.bridge.client.Reply`).

    Args:
        calls: What the call belongs to.
        call: The call.
    """

    __slots__ = ("_call", "_calls")

    def __init__(self, calls: SentCalls, call: PlainCall) -> None:
        self._calls = calls
        self._call = call

    def takes_whole(self, body: bytes) -> bool:
        answer = answer_to(body, self._call.number)
        if answer is None:
            return False
        self._calls.let_go(self._call)
        self._call.request.answered(fit(answer.result))
        return True

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self._calls.go_on(self._call).head(status, headers)

    def body(self, data: bytes) -> None:
        self._calls.go_on(self._call).body(data)

    def done(self) -> None:
        self._calls.go_on(self._call).done()

    def broke(self, message: str) -> None:
        self._calls.go_on(self._call).broke(message)


class SentCalls:
    """The plain calls of one link.

    Args:
        link: The link.
        http: The connections of it.
    """

    def __init__(self, link: SendingLink, http: HttpClient) -> None:
        self._link = link
        self._http = http
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[PlainCall, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"SentCalls({len(self._waiting)})"

    def begin(self, request: Request, params: Raw, go_on: GoOn) -> bool:
        """Sends a call. Whether it could: else nothing has happened.

        Args:
            go_on: Takes it where it turns out not to be plain.
        """
        connection = self._http.take()
        if connection is None:
            return False
        call = PlainCall(holder=self, request=request, params=params, go_on_by=go_on, connection=connection)
        call.since = self._loop.time()
        self._waiting[call] = None
        request.job = call
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        self._link.count += 1
        call.number = self._link.count
        line = _CALL % (call.number, params)
        connection.start(
            b"%bContent-Length: %d\r\n\r\n%b" % (self._link.heads.post, len(line), line),
            PlainAnswer(self, call),
        )
        return True

    def let_go(self, call: PlainCall) -> None:
        """A call is none any more."""
        del self._waiting[call]
        # They know each other: left so, both would wait for the collector.
        call.request.job = None
        call.holder = None

    def abandon(self, call: PlainCall, reason: str | None) -> None:
        """Nobody wants the answer to a call any more."""
        self.let_go(call)
        self._link.withdraw(call.number, "tools/call", reason)
        call.connection.close()

    def go_on(self, call: PlainCall) -> Stream:
        """A call goes on as any other request."""
        self.let_go(call)
        sent = self._link.sent(call.number, call.connection, call.since)
        call.connection.hand_over(sent.stream)
        call.go_on_by(call, sent)
        return sent.stream

    def close(self) -> None:
        """None of them is plain any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for call in list(self._waiting):
            self.go_on(call)

    def _look(self) -> None:
        """Some have been on their way for a while."""
        self._timer = None
        latest = self._loop.time() - LOOK_SECONDS / 2
        for call in [call for call in self._waiting if call.since <= latest]:
            self.go_on(call)
        if self._waiting:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
