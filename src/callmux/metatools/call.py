"""`callmux_call`: one tool, and its result as it came.

Called through `callmux.metatools.table`; makes its call through the engine. The other meta-tools can be asked
for here too, for clients that are listed no more than a few: the plan is theirs then, and runs, is judged and
is counted as if they had been called by their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from callmux.context import CallContext
from callmux.errors import CallmuxError, InvalidArguments, ToolNotFound
from callmux.fields import Fields, as_object
from callmux.metatools import get_result
from callmux.metatools.definitions import OBJECT, OUTPUT_FORMAT, TEXT, TIMEOUT, closed, definition
from callmux.metatools.entries import CALL_KEYS, Repairs, output_format, read_call
from callmux.metatools.table import traits
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.converting import Required, alone
from callmux.rings.envelope import encode, failure
from callmux.upstream.catalogue import Catalogue

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_call"
SELF = "callmux"
"""The server name that stands for callmux itself."""
WARNINGS_KEY = "callmux/warnings"
"""The `_meta` key of a result whose request had to be repaired."""
MAX_AVAILABLE = 25

DEFINITION = definition(
    NAME,
    "Call one tool, listed or not, and get its result unchanged; callmux_search_tools finds names. Also "
    "takes other callmux_ tools.",
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
    """Reads the request: the plan of another meta-tool where it asks for one.

    Raises:
        InvalidArguments: It is malformed.
    """
    repairs, call, shown_as = _read(fields)
    if call.server not in (None, SELF) or traits(call.spelling) is None:
        return _plan(repairs, call, shown_as)
    return _relayed(call, shown_as, repairs.warnings())


def parse_one(fields: Fields) -> Plan:
    """The same inside of a recipe or a preview, which ask for no other meta-tool than the one for pages.

    Raises:
        InvalidArguments: It is malformed.
    """
    repairs, call, shown_as = _read(fields)
    if call.spelling == get_result.NAME and call.server in (None, SELF):
        return _relayed(call, shown_as, [])
    return _plan(repairs, call, shown_as)


def _read(fields: Fields) -> tuple[Repairs, ToolCall, str | None]:
    repairs = Repairs("calls", '{"tool": "…", "arguments": {…}}')
    call = read_call(fields, repairs, _KEYS)
    force = fields.boolean("forceReconnect", False)
    return repairs, msgspec.structs.replace(call, force_reconnect=force), output_format(fields)


def _plan(repairs: Repairs, call: ToolCall, shown_as: str | None) -> Plan:
    return Plan(name=NAME, calls=(call,), output_format=shown_as, warnings=repairs.warnings())


def _relayed(call: ToolCall, shown_as: str | None, warnings: Sequence[Mapping[str, str]]) -> Plan:
    """The plan of another meta-tool, as if it had been asked for by its name."""
    # Whoever reads requests without running them needs few of the others.
    from callmux.metatools.meta_tool import META_TOOLS

    asked = META_TOOLS[call.spelling]
    if call.spelling == NAME:
        raise InvalidArguments(f"tool must be another one than {NAME} itself", field="tool")
    beside = {"timeoutMs": call.timeout_ms, "cwd": call.cwd, "forceReconnect": call.force_reconnect or None}
    checks = call.spelling.endswith("dry_run")
    if (asked.traits.calls or checks) and (
        lost := [key for key, value in beside.items() if value is not None]
    ):
        # Left out in silence, calls would run elsewhere, or longer, than their caller thinks.
        raise InvalidArguments(
            f"{lost[0]} has no effect beside {call.spelling}: give it to the calls in its arguments",
            field=lost[0],
        )
    plan = asked.read(call.arguments)
    form = shown_as if asked.traits.formatted and shown_as is not None else plan.output_format
    warned = [*warnings, *plan.warnings] if warnings else plan.warnings
    return msgspec.structs.replace(plan, output_format=form, warnings=warned, via=NAME)


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Makes the call.

    Raises:
        RpcError: The server refused it with an error that its client must see as one.
    """
    from callmux.metatools.children import size_of

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
