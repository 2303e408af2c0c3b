"""`callmux_cache_clear`: forget stored results.

Called through `callmux.metatools.table`.
"""

from __future__ import annotations

from callmux.context import CallContext
from callmux.errors import NotImplementedYet
from callmux.fields import Fields
from callmux.metatools.definitions import TEXT, closed, definition
from callmux.metatools.engine import Engine
from callmux.plan import Plan
from callmux.protocol.shapes import Result

NAME = "callmux_cache_clear"

DEFINITION = definition(
    NAME,
    "Forget cached results: all of them, or those of a tool, a server, or both.",
    closed({"tool": TEXT, "server": TEXT}),
    {"readOnlyHint": False, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
)


def parse(fields: Fields) -> Plan:
    """Reads the request, as far as this version can.

    Raises:
        InvalidArguments: It is malformed.
    """
    fields.optional_text("tool")
    fields.optional_text("server")
    return Plan(name=NAME)


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Says that it cannot run yet.

    Raises:
        NotImplementedYet: Always.
    """
    raise NotImplementedYet(
        "callmux 0.1 keeps no cache yet, so there is nothing to clear: every call reaches its server"
    )
