"""Exceptions become MCP results: the only place where they do.

Used twice: as the outermost request stage, and by `callmux.router.door` around each child of a fan-out.
"""

from __future__ import annotations

import logging

from callmux.context import CallContext
from callmux.errors import CallmuxError
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.envelope import failure
from callmux.rings.stage import ProceedPlan

log = logging.getLogger(__name__)


def as_result(error: Exception) -> Result:
    """The error result for `error`. One that nobody foresaw is logged whole and shown without its text."""
    if isinstance(error, CallmuxError):
        return failure(error)
    log.error("a call failed in callmux itself: %r", error, exc_info=error)
    return failure(CallmuxError("callmux failed internally; its log on stderr says more"))


class Converting:
    """Request stage: a failed request is an error result, never a broken session."""

    async def __call__(self, plan: Plan, context: CallContext, proceed: ProceedPlan) -> Result:
        try:
            return await proceed(plan, context)
        except Exception as error:  # noqa: BLE001 - the outermost stage
            return as_result(error)
