"""The four ways to make calls, by the names that recipes and previews have for them.

Used by `callmux.metatools.dry_run`, `.recipes` and `.preview`, which parse and run requests of the
meta-tools for calls on behalf of somebody else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from callmux.context import CallContext
from callmux.fields import Fields
from callmux.metatools import batch, call, parallel, pipeline
from callmux.plan import Plan
from callmux.protocol.shapes import Result

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine


class Mode(msgspec.Struct, frozen=True):
    """One of them: the parser and the run of its meta-tool."""

    name: str
    parse: Callable[[Fields], Plan]
    run: Callable[[Plan, Engine, CallContext], Awaitable[Result]]


CALL = Mode("call", call.parse_one, call.run)
PARALLEL = Mode("parallel", parallel.parse, parallel.run)
BATCH = Mode("batch", batch.parse, batch.run)
PIPELINE = Mode("pipeline", pipeline.parse, pipeline.run)

MODES = {mode.name: mode for mode in (CALL, PARALLEL, BATCH, PIPELINE)}
