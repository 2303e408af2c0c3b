"""What a meta-tool may use when it runs. Built by the router for each runtime."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from callmux.clock import Clock
from callmux.config.recipes import Recipe
from callmux.context import CallContext, ClientPort
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.ring import Job
from callmux.rings.shield.shelf import Shelf
from callmux.rings.stage import Outcome
from callmux.stores.cache import Cache
from callmux.upstream.catalogue import Catalogue

Begun: TypeAlias = Job | asyncio.Task[Result] | None
"""A call under way, or what it waits for; None for one that has ended."""


class Visibility(Protocol):
    """What a client may see and use (`callmux.router.sight`)."""

    def seen_by(self, context: CallContext) -> Catalogue:
        """The tools that it may call."""

    def refuse_nothing(self, context: CallContext) -> None:
        """Says why where rules leave it no tool at all.

        Raises:
            AuthorizationDenied: They do.
        """

    def recipes(self, context: CallContext) -> Mapping[str, Recipe]:
        """The recipes all of whose calls it may make."""

    def check_sources(self, context: CallContext, sources: Iterable[tuple[str, str]]) -> None:
        """Refuses what comes from tools, by server and bare name, that it may not call.

        Raises:
            AuthorizationDenied: One of them.
        """

    def digest(self, context: CallContext) -> str:
        """Stands for what it may do."""


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """The services of a running callmux, as far as meta-tools need them.

    Attributes:
        call: The one door for calls. Never raises but for cancellation: a failure comes back as an error
            result.
        begin: The same without waiting, and without a task where nothing waits: takes who is told the
            outcome, perhaps at once. Gives what is under way then.
        prepare: The call as it would be sent, for previews: nothing is sent. Raises `CallmuxError` where it
            could not be.
        is_cached: Whether a prepared call would be answered from the cache; asking leaves no trace there.
        catalogue: The tools there are now.
        large: Held by whoever works on a large value: one at a time, so that memory stays bounded.
        narrowed: Those of them that a client sees that declares this; None where all see the same.
        status: The status payload for a server filter (or None for all).
        description_limit: Characters of a description in search and status results; None means uncut.
        clock: Time, for durations.
        cache: The cached results.
        results: The results that went out shortened.
        recipes: The workflows of the configuration, by name.
        sight: What each client may see; None where all may use everything.
        output_format: The format of answers to requests that name none.
        index_tokens: Tokens that an index of the tools may take in the list, in place of their definitions; 0
            for no index. With one, a call with wrong arguments is answered with the tool's input schema.
        usage: Gives what the conversation of a client has cost its model; None where nobody knows.
    """

    call: Callable[[ToolCall, CallContext], Awaitable[Result]]
    begin: Callable[[ToolCall, CallContext, Callable[[Any, Outcome], None]], Begun]
    prepare: Callable[[ToolCall, CallContext], Awaitable[Call]]
    is_cached: Callable[[Call], bool | Awaitable[bool]]
    catalogue: Callable[[], Catalogue]
    status: Callable[[], dict[str, Any]]
    description_limit: int | None
    clock: Clock
    cache: Cache
    results: Shelf
    recipes: Mapping[str, Recipe]
    large: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)
    narrowed: Callable[[bytes], Catalogue] | None = None
    sight: Visibility | None = None
    output_format: str = "json"
    index_tokens: int = 0
    usage: Callable[[ClientPort], dict[str, Any] | None] = lambda client: None

    def tells(self, plan: Plan) -> bool:
        """Whether the answer to a plan may be shown with each result as it came."""
        return (plan.output_format or self.output_format) in ("plain", "shortest")

    def seen_by(self, context: CallContext) -> Catalogue:
        """The tools that the client sees."""
        if self.sight is not None:
            return self.sight.seen_by(context)
        return self.catalogue() if self.narrowed is None else self.narrowed(context.client.kind)
