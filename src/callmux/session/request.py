"""One request of a client while it is in flight: the one place that knows it, and the way back.

Made by `callmux.session.session`; goes with every call it makes as their `callmux.context.ClientPort`. What
belongs to a request says so: over Streamable HTTP it is sent on the request's own stream (MCP 2025-11-25,
basic/transports).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import msgspec
from msgspec import Raw

from callmux.context import Loan
from callmux.protocol.calling import DirectCall
from callmux.protocol.client_peer import ClientPeer
from callmux.protocol.jsonrpc import Id, RpcError
from callmux.protocol.shapes import Result
from callmux.rings.ring import Job, cancel
from callmux.rings.stage import Cancelled, Outcome
from callmux.session.facts import NOTHING, Facts, Said, kind_of
from callmux.session.usage import MOST_SIZES
from callmux.tasks import Withdrawal

PROGRESS = "notifications/progress"


class Unparked:
    """A way to a client that is asked while it waits; see `callmux.context.ClientPort`."""

    parks = False
    loan: Loan | None = None

    def thought(self, since: float) -> float:
        return 0.0


class SessionPort(Protocol):
    """What a request needs of its session, which is `callmux.session.session.Session`."""

    capabilities: bytes
    log_level: str | None
    server_level: str | None
    reading: bool
    facts: Facts
    version: str | None
    observer: Observer | None
    over: Callable[[], None] | None
    peer: ClientPeer

    @property
    def kind(self) -> bytes: ...

    @property
    def doing(self) -> str: ...

    @property
    def trace(self) -> object: ...

    @property
    def session(self) -> SessionPort: ...

    @property
    def loan(self) -> Loan | None: ...

    @property
    def lasting(self) -> bool: ...

    @property
    def parks(self) -> bool: ...

    def thought(self, since: float) -> float: ...

    async def until_reading(self) -> None: ...

    def notify(self, method: str, params: bytes | Raw | None, about: Id | None = None) -> None: ...

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
        name: str | None = None,
        about: Id | None = None,
    ) -> bytes: ...

    def enter(self, request: Request, params: DirectCall | Raw | None) -> None:
        """Counts a request among those in flight."""

    def let_go(self, request: Request, *, last: bool = False) -> None:
        """A request is not in flight any more, nor answered."""

    def conclude(self, request: Request, body: bytes | Raw, refused: bool = False) -> None:
        """Answers a request with a result, or with an error, unless it was cancelled."""

    def fail(self, request: Request, broken: BaseException) -> None:
        """Answers a request that failed in callmux itself."""


class Observer(Protocol):
    """Who watches the requests of a session. What it does must be quick, and must not raise."""

    def began(self, request: Request, params: Raw | None) -> None:
        """Called when a request has come."""

    def finished(self, request: Request, job: Job, outcome: Outcome) -> None:
        """The job of a request is over; `ended` follows, unless it was cancelled before."""

    def ended(self, request: Request, body: bytes | Raw | None, *, refused: bool = False) -> None:
        """Called when a request is answered with a result, or refused with an error; None for no answer."""


class Request(msgspec.Struct, eq=False):
    """A request.

    Attributes:
        session: The session.
        id: The client's request id.
        method: The MCP method.
        said: What came with it beside the message.
        started: When it came, by the loop's clock.
        job: What it does, where that is a job; the plan in it says what.
        task: What it waits for, where it is no job.
        shown_as: The id that status shows; empty before anybody has looked.
        name: The tool, prompt or URI it names, where somebody listens to ended requests.
        code: The code of the failure of callmux that answers it, where somebody listens.
        calls: How many calls to servers it asks for, where somebody listens.
        began: When it came, by the monotonic clock, where somebody listens.
        trace: What the tracer keeps with it.
        progress: The params of the last progress that its client was sent; None for none.
        asks_roots: Whether its client may be asked for its roots, where nothing else says in which directory
            it works.
    """

    asks_roots: ClassVar[bool] = True

    session: SessionPort
    id: Id
    method: str = ""
    said: Said = NOTHING
    started: float = 0.0
    job: Job | None = None
    task: asyncio.Task[bytes | Raw] | None = None
    shown_as: str = ""
    name: str = ""
    code: str = ""
    calls: int = 0
    began: float = 0.0
    trace: Any = None
    progress: bytes | Raw | None = None

    def __repr__(self) -> str:
        return f"Request({self.id!r} of {self.session!r})"

    def finish(self, job: Job, outcome: Outcome) -> None:
        """Answers with the outcome of its job."""
        session = self.session
        if session.observer is not None:
            session.observer.finished(self, job, outcome)
        # They know each other: left so, both would wait for the collector.
        self.job = None
        if type(outcome) is Result or isinstance(outcome, Result):
            raw, usage, route = outcome.raw, session.facts.usage, job.route
            if route is None or route.own is not None or outcome.before:
                usage.ended(job, outcome, alone=len(session.peer.in_flight) == 1)
            else:
                # What `Usage.direct` does, without its frame.
                given = job.arguments  # type: ignore[attr-defined]  # a direct call
                size = len(raw) if given is None else len(raw) + len(given)
                alone = len(session.peer.in_flight) == 1
                if alone and not usage.open:
                    usage.turns += 1
                    usage.read += usage.new
                    usage.new += size
                else:
                    usage.open = True
                    usage.sizes.append(size)
                    if alone:
                        usage.end_turn()
                    elif len(usage.sizes) > MOST_SIZES:
                        usage.settle()
            session.conclude(self, raw)
        elif isinstance(outcome, RpcError):
            self.refused(outcome)
        elif not isinstance(outcome, Cancelled):
            session.fail(self, outcome)

    def answered(self, result: bytes | Raw) -> None:
        """Answers with a result."""
        self.session.conclude(self, result)

    def refused(self, error: RpcError) -> None:
        """Answers with an error."""
        self.session.conclude(self, error.encoded(), refused=True)

    def cancel(self, reason: str | None) -> None:
        """Gives the request up: nobody wants its answer any more."""
        if self.job is not None:
            cancel(self.job, reason)
        elif self.task is not None:
            self.task.cancel(Withdrawal(reason))

    def lose(self) -> bool:
        """Its client's connection has ended, which may be an accident: whether it goes on all the same."""
        return False

    @property
    def waits_for(self) -> asyncio.Task[Any] | None:
        """Notes the task that the request waits for now."""
        return self.task if self.job is None else self.job.task

    @property
    def version(self) -> str | None:
        return self.session.version

    @property
    def doing(self) -> str:
        plan = self.job.plan if self.job is not None else None
        return plan.name if plan is not None else ""

    @property
    def capabilities(self) -> bytes:
        return self.session.capabilities

    @property
    def kind(self) -> bytes:
        principal = self.said.principal or self.session.facts.principal
        return kind_of(self.capabilities, principal)

    @property
    def log_level(self) -> str | None:
        return self.session.log_level

    @property
    def is_parked(self) -> bool:
        """Whether its client is to come again for its answer."""
        return False

    @property
    def server_level(self) -> str | None:
        return self.session.server_level

    @property
    def lasting(self) -> bool:
        return True

    @property
    def reading(self) -> bool:
        return self.session.reading

    async def until_reading(self) -> None:
        await self.session.until_reading()

    @property
    def parks(self) -> bool:
        return False

    @property
    def loan(self) -> Loan | None:
        return self.session.loan

    def thought(self, since: float) -> float:
        return 0.0

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        if method == PROGRESS:
            self.progress = params
        self.session.notify(method, params, self.id)

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
        name: str | None = None,
    ) -> bytes:
        return await self.session.ask(method, params, progress, name, self.id)
