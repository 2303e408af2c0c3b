"""Requests whose client lost the connection: what it may come again for, and must not do twice unaware.

Kept by `callmux.session.modern.serving`. Over HTTP a client of MCP 2026-07-28 cancels by closing the stream,
and a stream that breaks looks the same; whoever lost it makes the request again under a new id
(basic/transports/streamable-http). So what does no harm goes on for a moment, and an equal request of the
same client takes its place. What may do harm is cancelled at once; the first equal request is told that
nobody knows how that ended.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw

from callmux.errors import ToolCallFailed
from callmux.plan import Plan
from callmux.protocol.modern import Asked
from callmux.protocol.params import members, optional_text
from callmux.session.facts import Said, canonical
from callmux.session.request import SessionPort

GRACE_SECONDS = 5.0
"""How long a request goes on that nobody waits for."""
DOUBT_SECONDS = 60.0
"""How long an equal request is told of one whose end nobody knows."""
MOST = 1000
"""Requests that are remembered of either kind; of more, the oldest are not."""
LEFT = "the client has left"

READS = frozenset({"completion/complete", "prompts/get", "resources/read"})
"""Requests beside tool calls that do no harm and may take long."""


class Losable(Protocol):
    """A request that its client can lose; see `callmux.session.modern.request`."""

    method: str
    said: Said
    job: Any
    way: SessionPort
    asked: Asked
    declared: bytes

    @property
    def owner(self) -> str: ...

    @property
    def params(self) -> Raw: ...

    def cancel(self, reason: str | None) -> None: ...


_NULL = Raw(b"null")
R = TypeVar("R", bound=Losable)


class Losing(Generic[R]):
    """The lost requests of one process.

    Args:
        harmless: Whether carrying out a plan twice does no harm.

    Attributes:
        going_on: Requests that nobody waits for now, by what they ask.
        doubts: What was asked by those whose end nobody knows.
    """

    def __init__(self, harmless: Callable[[Plan], bool]) -> None:
        self._is_harmless = harmless
        self.going_on: dict[bytes, tuple[R, asyncio.TimerHandle]] = {}
        self.doubts: dict[bytes, asyncio.TimerHandle] = {}

    def __repr__(self) -> str:
        return f"Losing({len(self.going_on)} go on, {len(self.doubts)} in doubt)"

    def lost(self, request: R) -> bool:
        """Takes a request whose client has lost it; whether it goes on."""
        loop, key = asyncio.get_running_loop(), key_of(request)
        if key is None:
            return False
        if self._may_go_on(request):
            if key in self.going_on or len(self.going_on) >= MOST:
                return False
            self.going_on[key] = request, loop.call_later(GRACE_SECONDS, self._give_up, key)
            return True
        # A call without a number was never sent.
        if request.method == "tools/call" and getattr(request.job, "number", request.job is not None):
            self.forget_doubt(key)
            if len(self.doubts) >= MOST:
                self.forget_doubt(next(iter(self.doubts)))
            self.doubts[key] = loop.call_later(DOUBT_SECONDS, self.forget_doubt, key)
        return False

    def _may_go_on(self, request: R) -> bool:
        if request.method != "tools/call":
            return request.method in READS
        plan = None if request.job is None else request.job.plan
        return plan is not None and self._is_harmless(plan)

    def take(self, request: R) -> R | None:
        """The lost request that this one is the same as; it is lost no longer."""
        key = key_of(request)
        found = None if key is None else self.going_on.pop(key, None)
        if found is None:
            return None
        found[1].cancel()
        return found[0]

    def is_doubtful(self, request: R) -> bool:
        """Whether nobody knows how an equal request ended; it is said once."""
        key = key_of(request)
        return key is not None and self.forget_doubt(key)

    def forget_doubt(self, key: bytes) -> bool:
        """Forgets a request whose end nobody knows; whether there was one."""
        timer = self.doubts.pop(key, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def forget(self, concerns: Callable[[R], bool]) -> None:
        """Gives up the requests of a client that has left for good."""
        for key, (request, _) in list(self.going_on.items()):
            if concerns(request):
                self._give_up(key)

    def close(self) -> None:
        """Gives up all of them."""
        self.forget(lambda request: True)
        for key in list(self.doubts):
            self.forget_doubt(key)

    def _give_up(self, key: bytes) -> None:
        request, timer = self.going_on.pop(key)
        timer.cancel()
        request.cancel(LEFT)


def key_of(request: Losable) -> bytes | None:
    """What a request has in common with one that its client makes anew: whose it is, where from, and all
    that is asked, however it is spelled; None for one that cannot be compared. The token for progress is of
    one request alone."""
    said, facts, given = request.said, request.way.facts, spelled_once(members(request.params))
    meta = members(given.pop("_meta", None))
    meta.pop("progressToken", None)
    given["_meta"] = Raw(msgspec.json.encode(meta))
    parts = (
        request.owner,
        facts.profile,
        said.cwd or facts.cwd or "",
        request.asked.client_name or "",
        request.method,
    )
    told = b"\0".join(part.encode("utf-8", "surrogatepass") for part in parts)
    try:
        asked = canonical(given)
    except ValueError:
        return None
    return hashlib.sha256(told + b"\0" + request.declared + b"\0" + asked).digest()


def spelled_once(given: dict[str, Raw]) -> dict[str, Raw]:
    """Params with their name in one spelling: a text may have escapes, and what was read need not have kept
    them."""
    if (name := optional_text(given.get("name", _NULL))) is not None:
        given["name"] = Raw(msgspec.json.encode(name))
    return given


def in_doubt(params: Raw) -> ToolCallFailed:
    """What is said of a call where an equal one was under way when its client lost the connection."""
    tool = optional_text(members(params).get("name", Raw(b"null"))) or ""
    cause = "the connection of its client ended while an equal call was under way"
    return ToolCallFailed(
        f"{cause}, and nobody knows whether that was carried out: look at its effect first; the next equal"
        " call is made",
        tool=tool,
        category="transport",
        rootCause=cause,
        retryable=True,
        safeToRetry=False,
        executionState="unknown",
    )
