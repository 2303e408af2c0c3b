"""`callmux_get_result`: page through a result that was too large to send.

Called through `callmux.metatools.table`.
"""

from __future__ import annotations

from callmux.context import CallContext
from callmux.errors import NotImplementedYet
from callmux.fields import Fields
from callmux.metatools.definitions import OUTPUT_FORMAT, READ_ONLY, TEXT, closed, definition, listed
from callmux.metatools.engine import Engine
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result

NAME = "callmux_get_result"

DEFINITION = definition(
    NAME,
    "Read more of a result that came back shortened, by its _callmux.ref: a page, a path inside it, the "
    "items or lines that contain a text, some fields only.",
    closed(
        {
            "ref": TEXT,
            "path": {"type": "string", "description": "Dotted path inside the result, e.g. data.items"},
            "offset": {"type": "integer", "minimum": 0},
            "limit": {"type": "integer", "minimum": 0, "maximum": 100, "description": "Default 50"},
            "fields": listed(TEXT, "Keys to keep of each item"),
            "search": TEXT,
            "outputFormat": OUTPUT_FORMAT,
        },
        "ref",
    ),
    READ_ONLY,
)


def parse(fields: Fields) -> Plan:
    """Reads the request, as far as this version can.

    Raises:
        InvalidArguments: It is malformed.
    """
    fields.text("ref")
    return Plan(name=NAME, output_format=output_format(fields))


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Says that it cannot run yet.

    Raises:
        NotImplementedYet: Always.
    """
    raise NotImplementedYet(
        "callmux 0.1 keeps no shortened results yet, so there is nothing to page: every result is sent whole"
    )
