"""`callmux_call`: one tool, and its result as it came.

Called through `callmux.metatools.table`; makes its call through the engine. Pages of a stored result can be
asked for here too, for clients that see no other meta-tool.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from callmux.context import CallContext
from callmux.errors import CallmuxError, InvalidArguments, ToolNotFound
from callmux.fields import Fields, as_object
from callmux.metatools import get_result
from callmux.metatools.children import size_of
from callmux.metatools.definitions import OBJECT, OUTPUT_FORMAT, TEXT, TIMEOUT, closed, definition
from callmux.metatools.engine import Engine
from callmux.metatools.entries import CALL_KEYS, Repairs, output_format, read_call
from callmux.metatools.table import traits
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.converting import Required, alone
from callmux.rings.envelope import encode, failure
from callmux.upstream.catalogue import Catalogue

NAME = "callmux_call"
SELF = "callmux"
"""The server name that stands for callmux itself."""
WARNINGS_KEY = "callmux/warnings"
"""The `_meta` key of a result whose request had to be repaired."""
MAX_AVAILABLE = 25

DEFINITION = definition(
    NAME,
    "Call one tool, listed or not, and get its result unchanged; callmux_search_tools finds names. Also "
    "takes callmux_get_result as tool.",
    closed(
        {
            "tool": {"type": "string", "description": "server__tool, or the bare name beside server"},
            "server": TEXT,
            "arguments": OBJECT,
            "timeoutMs": TIMEOUT,
            "cwd": {"type": "string", "description": "Absolute directory to run in, for stdio servers"},
            "forceReconnect": {"type": "boolean", "description": "Do not wait for the reconnect delay"},
            "outputFormat": OUTPUT_FORMAT,
        },
        "tool",
    ),
)

_KEYS = CALL_KEYS | {"forceReconnect", "outputFormat"}


def parse(fields: Fields) -> Plan:
    """Reads the request.

    Raises:
        InvalidArguments: It is malformed.
    """
    repairs = Repairs("calls", '{"tool": "…", "arguments": {…}}')
    call = read_call(fields, repairs, _KEYS)
    force = fields.boolean("forceReconnect", False)
    shown_as = output_format(fields)
    if call.spelling == get_result.NAME and call.server in (None, SELF):
        members = {} if call.arguments is None else as_object(call.arguments, "arguments")
        page = get_result.parse(Fields(members))
        return page if shown_as is None else msgspec.structs.replace(page, output_format=shown_as)
    return Plan(
        name=NAME,
        calls=(msgspec.structs.replace(call, force_reconnect=force),),
        output_format=shown_as,
        warnings=repairs.warnings(),
    )


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Makes the call.

    Raises:
        RpcError: The server refused it with an error that its client must see as one.
    """
    if plan.name == get_result.NAME:
        return await get_result.run(plan, engine, context)
    call = plan.calls[0]
    result = await engine.call(call, context)
    if plan.made is not None:
        plan.made.sizes.append(size_of(call.arguments) + len(result.raw))
    if isinstance(result, Required):
        raise result.error
    result = alone(result)
    if result.is_error and traits(call.spelling) is None:
        # The tool may have answered what it likes; only the catalogue knows whether its name leads nowhere.
        try:
            engine.seen_by(context).find(call.spelling, call.server)
        except ToolNotFound as missing:
            result = failure(
                ToolNotFound(missing.message, **missing.details, **_available(engine.seen_by(context)))
            )
        except CallmuxError:
            return _annotated(result, plan)
    return _annotated(result, plan)


def _available(catalogue: Catalogue) -> dict[str, Any]:
    """What there is instead: the first bare names, server by server."""
    names = [
        name for key in catalogue.servers for name in sorted(e.tool.name for e in catalogue.offered(key))
    ]
    hint = "callmux_search_tools finds the others" if len(names) > MAX_AVAILABLE else None
    return {"totalAvailable": len(names), "available": names[:MAX_AVAILABLE], "hint": hint}


def _annotated(result: Result, plan: Plan) -> Result:
    """The result with the plan's warnings in its `_meta`; all else in it is the tool's own."""
    if not plan.warnings:
        return result
    members: dict[str, Any] = dict(result.members())
    meta = result.head.meta
    try:
        known: dict[str, Any] = {} if meta is UNSET else dict(as_object(meta, "_meta"))
    except InvalidArguments:
        return result
    members["_meta"] = known | {WARNINGS_KEY: plan.warnings}
    return Result(encode(members))
