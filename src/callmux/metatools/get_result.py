"""`callmux_get_result`: page through a result that was too large to send.

Called through `callmux.metatools.table`, and by `callmux_call` for clients that see no other meta-tool; asks
the process's shelf of results.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.fields import Fields
from callmux.metatools.definitions import READ_ONLY, TEXT, TEXT_FORMAT, closed, definition, listed
from callmux.metatools.entries import output_format
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import success
from callmux.rings.shield.page_query import Query

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_get_result"

DEFINITION = definition(
    NAME,
    "Read more of a shortened result by its _callmux.ref: a page, a path, items or lines with a text, some "
    "fields.",
    closed(
        {
            "ref": TEXT,
            "path": {"type": "string", "description": 'As data.items[0] or labels["a.b"]'},
            "offset": {"type": "integer", "description": "The nextOffset of the page before"},
            "limit": {"type": "integer", "maximum": 100, "description": "Default 50"},
            "fields": listed(TEXT, "Keys to keep of each item"),
            "search": TEXT,
            "outputFormat": TEXT_FORMAT,
        },
        "ref",
    ),
    READ_ONLY,
)


class PageQuestion(Query, frozen=True, kw_only=True):
    """What is asked for, and of which result."""

    ref: str


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed.
    """
    from callmux.rings.shield.shape import MAX_LIMIT

    question = PageQuestion(
        ref=fields.text("ref"),
        path=fields.any_text("path") or "",
        offset=fields.integer("offset", 0),
        limit=fields.integer("limit", 0, MAX_LIMIT),
        fields=_names(fields),
        search=fields.any_text("search") or "",
    )
    return Plan(name=NAME, output_format=output_format(fields), options=question)


def _names(fields: Fields) -> tuple[str, ...]:
    if not fields.has("fields"):
        return ()
    try:
        return tuple(Fields({"name": raw}).text("name") for raw in fields.array("fields"))
    except InvalidArguments:
        raise fields.fail("fields", "must be an array of names") from None


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Gives the page.

    Raises:
        ResultNotFound: There is no such result, or it is somebody else's.
        ResultPathNotFound: The path leads to nothing in it.
        AuthorizationDenied: The client may not call the tool that it is from, or not any more.
    """
    question: PageQuestion = plan.options
    if (sight := engine.sight) is None:
        return success(await engine.results.page(question.ref, question, context.owner))
    check = partial(sight.check_sources, context)
    return success(await engine.results.page(question.ref, question, context.owner, check))
