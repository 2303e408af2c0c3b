"""`callmux_batch`: one tool, many sets of arguments.

Called through `callmux.metatools.table`; its calls run in `callmux.metatools.children`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callmux.context import CallContext
from callmux.fields import Fields
from callmux.metatools.definitions import ITEM, TEXT, TEXT_FORMAT, TIMEOUT, closed, definition, listed
from callmux.metatools.entries import Repairs, output_format
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine

NAME = "callmux_batch"

DEFINITION = definition(
    NAME,
    "Run one tool over many argument sets at once, one answer for all. Prefer it to repeated calls. What "
    "failed: failedIndexes.",
    closed(
        {
            "tool": TEXT,
            "items": listed(ITEM),
            "server": TEXT,
            "timeoutMs": TIMEOUT,
            "cwd": TEXT,
            "outputFormat": TEXT_FORMAT,
        },
        "tool",
        "items",
    ),
)

_KEYS = frozenset({"tool", "items", "server", "timeoutMs", "cwd", "outputFormat"})
_ITEM_OWN_KEYS = frozenset({"cwd", "timeoutMs"})
_ITEM_KEYS = _ITEM_OWN_KEYS | {"arguments"}


def parse(fields: Fields) -> Plan:
    """Reads the request, in the order of checks that clients know: the list first, its items last.

    Raises:
        InvalidArguments: It is malformed; nothing may run then.
    """
    fields.array("items")
    tool = fields.text("tool")
    server = fields.optional_text("server")
    timeout_ms = fields.timeout_ms()
    cwd = fields.cwd()
    repairs = Repairs("items", '{"arguments": {…}}')
    calls = []
    for item in fields.objects("items"):
        reserved = _ITEM_KEYS if item.has("arguments") else _ITEM_OWN_KEYS
        arguments = repairs.arguments(item, reserved, required=True)
        own_timeout, own_cwd = item.timeout_ms(), item.cwd()
        calls.append(
            ToolCall(
                spelling=tool,
                server=server,
                arguments=arguments,
                timeout_ms=timeout_ms if own_timeout is None else own_timeout,
                cwd=cwd if own_cwd is None else own_cwd,
            )
        )
    shown_as = output_format(fields)
    repairs.ignore(key for key in fields.members if key not in _KEYS)
    return Plan(name=NAME, calls=calls, output_format=shown_as, warnings=repairs.warnings())


async def run(plan: Plan, engine: Engine, context: CallContext) -> Result:
    """Makes the calls and shows each result with the index of its item."""
    from callmux.metatools.children import answered, milliseconds, run_all, tally

    started = engine.clock.monotonic()
    keep = engine.tells(plan)
    outcomes = await run_all(plan.calls, engine, context, keep=keep)
    entries = [{"index": index} | outcome.shown() for index, outcome in enumerate(outcomes)]
    payload = tally(outcomes, entries, milliseconds(engine.clock.monotonic() - started))
    if plan.warnings:
        payload["warnings"] = plan.warnings
    return await answered(payload, plan, outcomes, engine, keep=keep)
