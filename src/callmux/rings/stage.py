"""The two shapes of a stage, and how stages nest. Pure.

A *call stage* wraps one call to one upstream; a *request stage* wraps a whole plan. Which stages there are,
and in which order, is `callmux.rings.order`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeAlias

from callmux.context import CallContext
from callmux.plan import Plan, PlannedCall
from callmux.protocol.shapes import Result

Proceed: TypeAlias = Callable[[PlannedCall, CallContext], Awaitable[Result]]
"""What a call stage wraps, and what it is."""

ProceedPlan: TypeAlias = Callable[[Plan, CallContext], Awaitable[Result]]
"""What a request stage wraps, and what it is."""


class Stage(Protocol):
    """A wrapper around each call. State only in `__init__`."""

    async def __call__(self, call: PlannedCall, context: CallContext, proceed: Proceed) -> Result: ...


class RequestStage(Protocol):
    """A wrapper around each request. State only in `__init__`."""

    async def __call__(self, plan: Plan, context: CallContext, proceed: ProceedPlan) -> Result: ...


def _bind(stage: Stage, proceed: Proceed) -> Proceed:
    return partial(_run, stage, proceed)


def _run(stage: Stage, proceed: Proceed, call: PlannedCall, context: CallContext) -> Awaitable[Result]:
    return stage(call, context, proceed)


def _run_plan(
    stage: RequestStage, proceed: ProceedPlan, plan: Plan, context: CallContext
) -> Awaitable[Result]:
    return stage(plan, context, proceed)


def compose(stages: Sequence[Stage], innermost: Proceed) -> Proceed:
    """One callable out of `stages`, the first of them outermost."""
    for stage in reversed(stages):
        innermost = _bind(stage, innermost)
    return innermost


def compose_requests(stages: Sequence[RequestStage], innermost: ProceedPlan) -> ProceedPlan:
    """One callable out of request `stages`, the first of them outermost."""
    for stage in reversed(stages):
        innermost = partial(_run_plan, stage, innermost)
    return innermost
