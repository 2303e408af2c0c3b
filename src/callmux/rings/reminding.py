"""A call that its server refused for its arguments comes back with the tool's input schema. A call stage.

The outermost one. Made by `callmux.rings.order` where an index of tools stands in place of their definitions,
so that a model calls tools whose schemas it has never seen: a wrong guess costs one turn and no search.
Nothing is checked before a call is made, and of one that succeeds nothing is read. `callmux.rings.breaches`
says what breaks a schema.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, UnsetType

from callmux.errors import ToolCallFailed
from callmux.protocol.jsonrpc import INVALID_PARAMS
from callmux.protocol.shapes import Result
from callmux.rings.breaches import breaks
from callmux.rings.call import Call
from callmux.rings.converting import Reminded, as_result, as_rpc_error
from callmux.rings.envelope import encode
from callmux.rings.route import Route
from callmux.rings.stage import Outcome

LARGEST = 32 * 1024
"""Bytes of a schema that is shown; for a larger one, how to get it."""
_HINT = "its inputSchema is large: callmux_search_tools with its name, includeInputSchema and limit 1"
SAYS_SO = (b"-32602", b"nvalid arguments", b"nput validation error", b"validation error for")
"""What servers write into an error result that refuses arguments, where a check of their own has."""
READ = 4096
"""Bytes of an error result in which that is looked for."""


class Reminding:
    """Call stage: the schema beside a refusal."""

    def concerns(self, route: Route) -> bool:
        """Whether it is a tool whose schema is known."""
        return route.method == "tools/call" and route.own is None and route.tool is not None

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Result):
            # Nearly always no error; `in` would cost an exception.
            if outcome.raw.find(b'"isError"') < 0 or not outcome.is_error or not _is_refusal(call, outcome):
                return outcome
            plain = outcome
        elif isinstance(outcome, ToolCallFailed) and _is_invalid_params(outcome):
            plain = as_result(outcome)
        else:
            return outcome
        return _with_schema(call, plain)


def schema_of(route: Route) -> dict[str, Raw]:
    """What a model is shown of a tool that it has called wrongly."""
    assert route.tool is not None
    schema = Raw(bytes(route.tool.members.get("inputSchema", b"{}")))
    return {"inputSchema": schema} if memoryview(schema).nbytes <= LARGEST else {"hint": Raw(encode(_HINT))}


def is_broken(route: Route, arguments: bytes | None) -> bool:
    """Whether arguments break the input schema of a tool."""
    assert route.tool is not None
    try:
        value = msgspec.json.decode(b"{}" if arguments is None else arguments)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return breaks(value, route.tool.input_schema, 0 if arguments is None else len(arguments))


def _is_invalid_params(failure: ToolCallFailed) -> bool:
    return failure.rpc is not None and as_rpc_error(failure).code == INVALID_PARAMS


def _is_refusal(call: Call, result: Result) -> bool:
    """Whether an error result is about the arguments, by what it says or by the tool's schema."""
    said = result.raw[:READ]
    return any(phrase in said for phrase in SAYS_SO) or is_broken(call.route, call.arguments)


def _with_schema(call: Call, plain: Result) -> Result:
    beside, members = schema_of(call.route), dict[str, object](plain.members())
    if plain.code:
        # Ours, which says in it what the text says: clients that show it show no further text.
        members.pop("structuredContent", None)
    content = plain.head.content
    shown = {"tool": call.asked.spelling, **beside}
    further = Raw(encode({"type": "text", "text": encode(shown).decode()}))
    members["content"] = [*([] if isinstance(content, UnsetType) else content), further]
    raw = encode(members)
    if call.stages is call.route.direct:
        return Result(raw, code=plain.code)
    tool = call.route.server, call.route.bare
    return Reminded(raw, code=plain.code, plain=plain, tool=tool, beside=beside)
