"""Whether a server still answers anything at all.

Kept by each `callmux.upstream.connection`; asked by `callmux.upstream.server` after a call has timed out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from callmux.upstream.failures import CallFailure

SECONDS = 2.0
"""How long a server may take to answer after one of its calls has timed out."""


class Liveness:
    """The question to one server.

    Args:
        ask: Sends what every server answers; takes how many seconds it may take.
    """

    def __init__(self, ask: Callable[[float], Coroutine[Any, Any, object]]) -> None:
        self._ask = ask
        self._asked: asyncio.Future[bool] | None = None

    def __repr__(self) -> str:
        return f"Liveness({'being asked' if self._asked is not None else 'not asked'})"

    async def answers(self, seconds: float = SECONDS) -> bool:
        """Whether the server answers within `seconds`. Callers at the same time share one question."""
        if self._asked is not None:
            return await asyncio.shield(self._asked)
        self._asked = asyncio.get_running_loop().create_future()
        alive = True
        try:
            await self._ask(seconds)
        except CallFailure as failure:
            # A refusal is an answer, too.
            alive = failure.rpc is not None
        finally:
            self._asked.set_result(alive)
            self._asked = None
        return alive
