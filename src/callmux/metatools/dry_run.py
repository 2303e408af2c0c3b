"""`callmux_dry_run`: what a request would do, without doing it.

Called through `callmux.metatools.table`. The request is read by the parser of the tool it is about; what it
would do is shown by `callmux.metatools.preview`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.fields import Fields
from callmux.metatools.definitions import (
    OBJECT,
    OUTPUT_FORMAT,
    READ_ONLY,
    TEXT,
    TIMEOUT,
    closed,
    definition,
    listed,
)
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import success

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine
    from callmux.metatools.modes import Mode

NAME = "callmux_dry_run"

DEFINITION = definition(
    NAME,
    "Check a call, parallel, batch or pipeline (the mode, where arguments do not tell), calling nothing: "
    "names, final arguments, problems. Takes the arguments of the tool it checks.",
    closed(
        {
            "mode": TEXT,
            "tool": TEXT,
            "server": TEXT,
            "arguments": OBJECT,
            "timeoutMs": TIMEOUT,
            "cwd": TEXT,
            # Their entries are those of callmux_parallel, _batch and _pipeline, which say what is in them.
            "calls": listed(OBJECT),
            "items": listed(OBJECT),
            "steps": listed(OBJECT),
            "outputFormat": OUTPUT_FORMAT,
        }
    ),
    READ_ONLY,
)


_SIGNS = (
    ("calls", "array", "parallel"),
    ("items", "array", "batch"),
    ("steps", "array", "pipeline"),
    ("tool", "string", "call"),
)
"""What tells the mode where it is not named: the first of these members that is there."""


class Previewed(msgspec.Struct, frozen=True):
    """What is previewed: the plan of another meta-tool."""

    mode: Mode
    plan: Plan


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed, or nothing tells its mode.
    """
    output_format(fields)
    mode = _mode(fields)
    plan = mode.parse(Fields({key: raw for key, raw in fields.members.items() if key != "mode"}))
    return Plan(
        name=NAME,
        calls=plan.calls,
        output_format=plan.output_format,
        options=Previewed(mode, plan),
        warnings=plan.warnings,
    )


def _mode(fields: Fields) -> Mode:
    from callmux.metatools.modes import MODES
    from callmux.rings.schemas import kind_of

    if (name := fields.choice("mode", tuple(MODES))) is not None:
        return MODES[name]
    for key, kind, mode in _SIGNS:
        if fields.has(key) and kind_of(fields.members[key]) == kind:
            return MODES[mode]
    raise InvalidArguments(
        "mode must be given where neither calls, items, steps nor tool tells it", field="mode"
    )


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Shows every call as it would be sent."""
    from callmux.metatools.preview import preview

    previewed: Previewed = plan.options
    return success(await preview(previewed.mode, previewed.plan, engine, context))
