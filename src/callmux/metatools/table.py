"""All meta-tools by name, in the order in which clients see them.

Called by the router, for listings and requests, and by whoever must parse a request without running it. To
add a meta-tool, write its module and add a line here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.fields import Fields, as_object
from callmux.metatools import (
    batch,
    cache_clear,
    call,
    dry_run,
    get_result,
    parallel,
    pipeline,
    recipe_dry_run,
    recipe_run,
    search_tools,
    status,
)
from callmux.metatools.engine import Engine
from callmux.plan import Plan
from callmux.protocol.shapes import Result


class MetaTool(msgspec.Struct, frozen=True, kw_only=True):
    """One meta-tool.

    Attributes:
        name: Its name.
        definition: The tool as `tools/list` shows it.
        parse: Reads the members of the request's arguments. Pure.
        run: Does what the plan says. A plan runs under *its own* name, which need not be the tool's: a page
            of a stored result may be asked for through `callmux_call`.
        expand: Adds to a plan what the configuration says, before any stage sees it; None where nothing.
    """

    name: str
    definition: dict[str, Any]
    parse: Callable[[Fields], Plan]
    run: Callable[[Plan, Engine, CallContext], Awaitable[Result]]
    expand: Callable[[Plan, Engine], Plan] | None = None

    def read(self, arguments: Raw | None) -> Plan:
        """The plan of a request with these arguments; None means none were given.

        Raises:
            InvalidArguments: They are malformed.
        """
        try:
            members = {} if arguments is None else as_object(arguments, "arguments")
        except InvalidArguments as error:
            # Clients know this mistake by the first member that is missing for it.
            required = self.definition["inputSchema"].get("required", ["arguments"])
            raise InvalidArguments(error.message, field=required[0]) from None
        return self.parse(Fields(members))


def _row(module: ModuleType) -> MetaTool:
    return MetaTool(
        name=module.NAME,
        definition=module.DEFINITION,
        parse=module.parse,
        run=module.run,
        expand=getattr(module, "expand", None),
    )


_ORDER = (
    parallel,
    batch,
    pipeline,
    search_tools,
    get_result,
    call,
    dry_run,
    recipe_run,
    recipe_dry_run,
    cache_clear,
    status,
)

META_TOOLS: dict[str, MetaTool] = {row.name: row for row in map(_row, _ORDER)}
"""Every meta-tool by its name."""

NAMES = frozenset(META_TOOLS)
"""The names no server's tool may be listed under."""

DEFINITIONS: list[dict[str, Any]] = [row.definition for row in META_TOOLS.values()]
"""The definitions in listing order."""
