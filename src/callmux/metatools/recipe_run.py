"""`callmux_recipe_run`: run a workflow of the configuration.

Called through `callmux.metatools.table`.
"""

from __future__ import annotations

from callmux.context import CallContext
from callmux.errors import NotImplementedYet
from callmux.fields import Fields
from callmux.metatools.definitions import OBJECT, OUTPUT_FORMAT, TEXT, closed, definition
from callmux.metatools.engine import Engine
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result

NAME = "callmux_recipe_run"

DEFINITION = definition(
    NAME,
    "Run a workflow that the configuration names; arguments fill its parameters. callmux_status lists them.",
    closed({"recipe": TEXT, "arguments": OBJECT, "outputFormat": OUTPUT_FORMAT}, "recipe"),
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
    raise NotImplementedYet(
        "callmux 0.1 cannot run recipes yet: make the calls with callmux_parallel, _batch or _pipeline"
    )
