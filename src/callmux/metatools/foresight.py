"""Which calls a plan will make, as far as that is known before the first of them.

Handed to `callmux.rings.approving` by `callmux.process.approval`. A direct call, and whatever else is not
here, is asked about when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from callmux.metatools import pipeline
from callmux.metatools.recipes import Filled
from callmux.metatools.table import traits
from callmux.plan import Plan, ToolCall
from callmux.rings.envelope import encode


def foresee(plan: Plan) -> Sequence[ToolCall | None]:
    """The calls in order; None for a step of a pipeline whose arguments come from an earlier result."""
    own = traits(plan.name)
    if own is None or not own.calls:
        return ()
    if isinstance(plan.options, Filled):
        plan = plan.options.plan
    if plan.name == pipeline.NAME:
        return [_fixed(asked, step) for asked, step in zip(plan.calls, plan.options, strict=True)]
    return plan.calls


def _fixed(asked: ToolCall, step: pipeline.Step) -> ToolCall | None:
    """A step's call, where its mappings are mere texts."""
    if not step.mappings:
        return asked
    if not all(expression.literal for expression in step.mappings.values()):
        return None
    return pipeline.with_mapped(
        asked, {name: Raw(encode(expression.source)) for name, expression in step.mappings.items()}
    )
