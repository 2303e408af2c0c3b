"""The two shapes of a stage, and how stages nest. Pure.

A *call stage* wraps one call to one upstream; a *request stage* wraps a whole plan. Which stages there are,
and in which order, is `callmux.rings.order`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from callmux.context import CallContext
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.route import Route

Proceed: TypeAlias = Callable[[Call, CallContext], Awaitable[Result]]
"""What a call stage wraps, and what it is."""

ProceedPlan: TypeAlias = Callable[[Plan, CallContext], Awaitable[Result]]
"""What a request stage wraps, and what it is."""


Find: TypeAlias = Callable[[str, str | None], Route]
"""Gives the route of a tool's name, and of the server named beside it; raises `CallmuxError` for none."""


class Stage(Protocol):
    """A wrapper around each call. State only in `__init__`. One with nothing to do after the call may return
    what `proceed` returned, unawaited: each coroutine less counts."""

    def __call__(self, call: Call, context: CallContext, proceed: Proceed) -> Awaitable[Result]: ...


class RequestStage(Protocol):
    """A wrapper around each request; like `Stage` otherwise."""

    def __call__(self, plan: Plan, context: CallContext, proceed: ProceedPlan) -> Awaitable[Result]: ...


def compose(stages: Sequence[Stage], innermost: Proceed) -> Proceed:
    """One callable out of `stages`, the first of them outermost."""
    for stage in reversed(stages):
        innermost = partial(stage.__call__, proceed=innermost)
    return innermost


def compose_requests(stages: Sequence[RequestStage], innermost: ProceedPlan) -> ProceedPlan:
    """One callable out of request `stages`, the first of them outermost."""
    for stage in reversed(stages):
        innermost = partial(stage.__call__, proceed=innermost)
    return innermost
