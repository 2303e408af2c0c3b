"""`callmux_recipe_dry_run`: what a workflow of the configuration would do.

Called through `callmux.metatools.table`.
"""

from __future__ import annotations

from callmux.context import CallContext
from callmux.errors import NotImplementedYet
from callmux.fields import Fields
from callmux.metatools.definitions import OBJECT, OUTPUT_FORMAT, READ_ONLY, TEXT, closed, definition
from callmux.metatools.engine import Engine
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result

NAME = "callmux_recipe_dry_run"

DEFINITION = definition(
    NAME,
    "Check what a recipe would do with these arguments, calling nothing.",
    closed({"recipe": TEXT, "arguments": OBJECT, "outputFormat": OUTPUT_FORMAT}, "recipe"),
    READ_ONLY,
)


def parse(fields: Fields) -> Plan:
    """Reads the request, as far as this version can.

    Raises:
        InvalidArguments: It is malformed.
    """
    fields.text("recipe")
    fields.optional_object("arguments")
    return Plan(name=NAME, output_format=output_format(fields))


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Says that it cannot run yet.

    Raises:
        NotImplementedYet: Always.
    """
    raise NotImplementedYet("callmux 0.1 cannot run recipes yet, and so cannot preview them either")
