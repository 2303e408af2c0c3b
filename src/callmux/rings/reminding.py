"""A call that its server refused for its arguments comes back with the tool's input schema. A call stage.

The outermost one. Made by `callmux.rings.order` where an index of tools stands in place of their definitions,
so that a model calls tools whose schemas it has never seen: a wrong guess costs one turn and no search.
Nothing is checked before a call is made, and of one that succeeds nothing is read. `callmux.rings.breaches`
says what breaks a schema. A client is shown the schema that its server lists to clients of its kind, and none
where the server does not list the tool to them: whoever guesses a name learns nothing of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, UnsetType

from callmux.errors import ToolCallFailed
from callmux.protocol.jsonrpc import INVALID_PARAMS
from callmux.protocol.shapes import Result, Tool
from callmux.rings.breaches import breaks
from callmux.rings.call import Call
from callmux.rings.converting import Reminded, as_result, as_rpc_error
from callmux.rings.envelope import encode
from callmux.rings.route import Route
from callmux.rings.stage import Outcome

if TYPE_CHECKING:
    from callmux.upstream.server import Server

LARGEST = 32 * 1024
"""Bytes of a schema that is shown; for a larger one, how to get it."""
_HINT = "its inputSchema is large: callmux_search_tools with its name, includeInputSchema and limit 1"
SAYS_SO = (b"-32602", b"nvalid arguments", b"nput validation error", b"validation error for")
"""What servers write into an error result that refuses arguments, where a check of their own has."""
READ = 4096
"""Bytes of an error result in which that is looked for."""


class Reminding:
    """Call stage: the schema beside a refusal.

    Args:
        servers: All servers by name.
    """

    def __init__(self, servers: Mapping[str, Server]) -> None:
        self._servers = servers

    def concerns(self, route: Route) -> bool:
        """Whether it is a tool whose schema is known."""
        return route.method == "tools/call" and route.own is None and route.tool is not None

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Result):
            # Nearly always no error; `in` would cost an exception.
            if outcome.raw.find(b'"isError"') < 0 or not outcome.is_error:
                return outcome
            plain = outcome
        elif isinstance(outcome, ToolCallFailed) and _is_invalid_params(outcome):
            plain = as_result(outcome)
        else:
            return outcome
        tool = self._seen(call)
        if tool is None or (plain is outcome and not _is_refusal(call, tool, plain)):
            return outcome
        return _with_schema(call, tool, plain)

    def _seen(self, call: Call) -> Tool | None:
        """The tool as its client is listed it; None where it is not."""
        route, server = call.route, self._servers[call.route.server]
        kind = server.kind_of(call.context.client.kind)
        if kind is None:
            return route.tool
        return next((tool for tool in server.views.of(kind) if tool.name == route.bare), None)


def schema_of(tool: Tool) -> dict[str, Raw]:
    """What a model is shown of a tool that it has called wrongly."""
    schema = Raw(bytes(tool.members.get("inputSchema", b"{}")))
    return {"inputSchema": schema} if memoryview(schema).nbytes <= LARGEST else {"hint": Raw(encode(_HINT))}


def is_broken(tool: Tool, arguments: bytes | None) -> bool:
    """Whether arguments break the input schema of a tool."""
    try:
        value = msgspec.json.decode(b"{}" if arguments is None else arguments)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return breaks(value, tool.input_schema, 0 if arguments is None else len(arguments))


def _is_invalid_params(failure: ToolCallFailed) -> bool:
    return failure.rpc is not None and as_rpc_error(failure).code == INVALID_PARAMS


def _is_refusal(call: Call, tool: Tool, result: Result) -> bool:
    """Whether an error result is about the arguments, by what it says or by the tool's schema."""
    said = result.raw[:READ]
    return any(phrase in said for phrase in SAYS_SO) or is_broken(tool, call.arguments)


def _with_schema(call: Call, tool: Tool, plain: Result) -> Result:
    beside, members = schema_of(tool), dict[str, object](plain.members())
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
    named = call.route.server, call.route.bare
    return Reminded(raw, code=plain.code, plain=plain, tool=named, beside=beside)
