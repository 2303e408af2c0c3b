"""Tells facts to whoever has subscribed to their kind. Pure.

Made by `callmux.process.host`, once a process, and handed to whatever has something to tell. Listeners are
called at once, in the order in which they came, and must be quick: one that is not keeps what it hears,
within a bound, and works it off elsewhere. A listener that raises is logged and stays; whoever published
never notices.

A record is made only where somebody listens: `if bus.hears(Denied): bus.publish(Denied(...))`. What happens
with every call has an attribute of its own, so that a call costs no look-up; stages that publish stand in the
ring only where somebody listens (`turned` tells when that changes).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from callmux.observe.facts import CallEnded, Fact, HttpEnded, RequestEnded

if TYPE_CHECKING:
    from callmux.observe.tracer import Tracer

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Fact)


class Bus:
    """Facts on their way.

    Attributes:
        calls: Whether somebody listens to `CallEnded`.
        requests: Whether somebody listens to `RequestEnded`.
        http: Whether somebody listens to `HttpEnded`.
        tracer: Who follows requests and calls from their beginning; None for nobody.
        witnesses: Who is told of each call of one request, with its outcome, by what stands for the request.
        turned: Called after any of the others has changed.
    """

    __slots__ = ("_listeners", "_said", "calls", "http", "requests", "tracer", "turned", "witnesses")

    def __init__(self) -> None:
        self._listeners: dict[type[Any], tuple[Callable[[Any], None], ...]] = {}
        self._said: set[Callable[[Any], None]] = set()
        self.calls = self.requests = self.http = False
        self.tracer: Tracer | None = None
        self.witnesses: dict[int, Callable[[CallEnded, Any], None]] = {}
        self.turned: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"Bus({', '.join(f'{len(who)} to {kind.__name__}' for kind, who in self._listeners.items())})"

    def hears(self, kind: type[Fact]) -> bool:
        """Whether anybody listens to this kind."""
        return kind in self._listeners

    def trace_with(self, tracer: Tracer | None) -> None:
        """Has requests and calls that come from now on followed."""
        self.tracer = tracer
        self.turned()

    def publish(self, fact: Fact) -> None:
        """Tells everybody who listens to its kind."""
        for listener in self._listeners.get(type(fact), ()):
            try:
                listener(fact)
            except Exception as error:
                if listener not in self._said:
                    self._said.add(listener)
                    log.error(
                        "a listener to %s failed, and is told of further ones all the same: %r",
                        type(fact).__name__,
                        error,
                        exc_info=error,
                    )

    def subscribe(self, kind: type[F], listener: Callable[[F], None]) -> Callable[[], None]:
        """Has `listener` called with each fact of this kind. Gives what ends that."""
        self._set(kind, (*self._listeners.get(kind, ()), listener))
        is_in = True

        def leave() -> None:
            nonlocal is_in
            if is_in:
                is_in = False
                known = self._listeners[kind]
                at = known.index(listener)
                self._set(kind, known[:at] + known[at + 1 :])

        return leave

    def _set(self, kind: type[Any], listeners: tuple[Callable[[Any], None], ...]) -> None:
        if listeners:
            self._listeners[kind] = listeners
        else:
            self._listeners.pop(kind, None)
        before = self.calls, self.requests, self.http
        self.calls = CallEnded in self._listeners
        self.requests = RequestEnded in self._listeners
        self.http = HttpEnded in self._listeners
        if before != (self.calls, self.requests, self.http):
            self.turned()
