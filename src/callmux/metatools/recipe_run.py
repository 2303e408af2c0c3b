"""`callmux_recipe_run`: run a workflow of the configuration.

Called through `callmux.metatools.table`; `callmux.metatools.recipes` fills the recipe in before any stage
sees the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from callmux.context import CallContext
from callmux.fields import Fields
from callmux.metatools.definitions import OBJECT, TEXT, TEXT_FORMAT, closed, definition
from callmux.plan import Plan
from callmux.protocol.shapes import Result

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_recipe_run"

DEFINITION = definition(
    NAME,
    "Run a workflow that the configuration names; arguments fill its parameters. callmux_status lists them.",
    closed({"recipe": TEXT, "arguments": OBJECT, "outputFormat": TEXT_FORMAT}, "recipe"),
)


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed.
    """
    from callmux.metatools import recipes

    return recipes.parse(NAME, fields)


def expand(plan: Plan, engine: Engine) -> Plan:
    """The request with the calls of its recipe; see `callmux.metatools.recipes`."""
    from callmux.metatools import recipes

    return recipes.expand(plan, engine)


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Makes the calls of the recipe; the answer is that of the meta-tool it configures."""
    from callmux.metatools import recipes

    filled = recipes.filled(plan, engine, context)
    inner = msgspec.structs.replace(filled.plan, made=plan.made)
    return await filled.mode.run(inner, engine, context)
