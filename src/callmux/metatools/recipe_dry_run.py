"""`callmux_recipe_dry_run`: what a workflow of the configuration would do.

Called through `callmux.metatools.table`. Fills the recipe in as `callmux.metatools.recipe_run` does and shows
it as `callmux.metatools.dry_run` would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callmux.context import CallContext
from callmux.fields import Fields
from callmux.metatools.definitions import OBJECT, OUTPUT_FORMAT, READ_ONLY, TEXT, closed, definition
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import success

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_recipe_dry_run"

DEFINITION = definition(
    NAME,
    "Check what a recipe would do, calling nothing.",
    closed({"recipe": TEXT, "arguments": OBJECT, "outputFormat": OUTPUT_FORMAT}, "recipe"),
    READ_ONLY,
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
    """Previews the calls of the recipe."""
    from callmux.metatools import recipes
    from callmux.metatools.preview import preview

    filled = recipes.filled(plan, engine, context)
    shown = await preview(filled.mode, filled.plan, engine, context)
    return success({"recipe": filled.recipe} | shown)
