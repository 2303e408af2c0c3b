"""`callmux_parallel`: several independent calls at once.

Called through `callmux.metatools.table`; its calls run in `callmux.metatools.children`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callmux.context import CallContext
from callmux.fields import Fields
from callmux.metatools.definitions import CALL, TEXT_FORMAT, closed, definition, listed
from callmux.metatools.entries import Repairs, output_format, read_calls
from callmux.plan import Plan
from callmux.protocol.shapes import Result

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_parallel"

DEFINITION = definition(
    NAME,
    "Run independent tool calls at once, one answer for all. Prefer it where no call needs another's "
    "result. What failed: failedIndexes.",
    closed({"calls": listed(CALL), "outputFormat": TEXT_FORMAT}, "calls"),
)


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed; nothing may run then.
    """
    repairs = Repairs("calls", '{"tool": "…", "arguments": {…}}')
    calls = read_calls(fields, "calls", repairs)
    shown_as = output_format(fields)
    repairs.ignore(key for key in fields.members if key not in ("calls", "outputFormat"))
    return Plan(name=NAME, calls=calls, output_format=shown_as, warnings=repairs.warnings())


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Makes the calls and shows each beside its result."""
    from callmux.metatools.children import answered, milliseconds, run_all, tally

    started = engine.clock.monotonic()
    keep = engine.tells(plan)
    outcomes = await run_all(plan.calls, engine, context, keep=keep)
    entries = [
        {"call": call.echo(), **outcome.shown()} for call, outcome in zip(plan.calls, outcomes, strict=True)
    ]
    payload = tally(outcomes, entries, milliseconds(engine.clock.monotonic() - started))
    if plan.warnings:
        payload["warnings"] = plan.warnings
    return await answered(payload, plan, outcomes, engine, keep=keep)
