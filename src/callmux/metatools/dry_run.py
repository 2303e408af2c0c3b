"""`callmux_dry_run`: what a request would do, without doing it.

Called through `callmux.metatools.table`.
"""

from __future__ import annotations

from callmux.context import CallContext
from callmux.errors import NotImplementedYet
from callmux.fields import Fields
from callmux.metatools.definitions import (
    CALL,
    ITEM,
    OBJECT,
    OUTPUT_FORMAT,
    READ_ONLY,
    TEXT,
    TIMEOUT,
    closed,
    definition,
    listed,
    step,
)
from callmux.metatools.engine import Engine
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result

NAME = "callmux_dry_run"

DEFINITION = definition(
    NAME,
    "Check what a call, parallel, batch or pipeline would do, calling nothing: names, arguments after "
    "references and conversion, problems. Takes the arguments of the tool it checks.",
    closed(
        {
            "mode": {
                "type": "string",
                "description": "call, parallel, batch or pipeline; else by what is given",
            },
            "tool": TEXT,
            "server": TEXT,
            "arguments": OBJECT,
            "timeoutMs": TIMEOUT,
            "cwd": TEXT,
            "calls": listed(CALL),
            "items": listed(ITEM),
            "steps": listed(step()),
            "outputFormat": OUTPUT_FORMAT,
        }
    ),
    READ_ONLY,
)


def parse(fields: Fields) -> Plan:
    """Reads the request, as far as this version can.

    Raises:
        InvalidArguments: It is malformed.
    """
    return Plan(name=NAME, output_format=output_format(fields))


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Says that it cannot run yet.

    Raises:
        NotImplementedYet: Always.
    """
    raise NotImplementedYet(
        "callmux 0.1 cannot preview yet: make the call itself, or look the tool up with callmux_search_tools"
    )
