"""The arguments a tool gets: what the caller wrote, shaped to the tool's input schema. A call stage.

Calls `callmux.rings.coercion`. The bytes go on as they came unless something had to be changed.
"""

from __future__ import annotations

from msgspec import Raw

from callmux.context import CallContext
from callmux.plan import PlannedCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.coercion import Shaper, compile_shaping
from callmux.rings.stage import Proceed

MOST_SHAPERS = 20_000
"""Compiled schemas that are kept; lists that change all day must not fill the memory."""


class Preparing:
    """Call stage: shapes the arguments."""

    def __init__(self) -> None:
        self._shapers: dict[Tool, Shaper | None] = {}

    async def __call__(self, call: PlannedCall, context: CallContext, proceed: Proceed) -> Result:
        if call.tool is not None and call.arguments is not None:
            shaper = self._shaper(call.tool)
            if shaper is not None:
                before = bytes(call.arguments)
                after = shaper(before)
                if after is not before:
                    call = call.with_arguments(Raw(after))
        return await proceed(call, context)

    def _shaper(self, tool: Tool) -> Shaper | None:
        try:
            return self._shapers[tool]
        except KeyError:
            if len(self._shapers) >= MOST_SHAPERS:
                self._shapers.clear()
            shaper = self._shapers[tool] = compile_shaping(tool.input_schema)
            return shaper
