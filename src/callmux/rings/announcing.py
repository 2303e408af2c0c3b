"""Tells other listeners of every write before it begins. A call stage, in place of `callmux.rings.writing`.

Chosen by `callmux.rings.order` where results are cached for several processes. A process that is killed while
a write is under way, or cannot reach the store when it ends, has told of it already: until the write is known
to have ended, nobody answers with what was read before.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from callmux.rings.call import Call
from callmux.rings.stage import Outcome
from callmux.rings.writing import Writing, after, has_ended


class Announcing(Writing):
    """Call stage: notes writes, before and after."""

    def enter(self, call: Call) -> Coroutine[Any, Any, None] | None:
        now = self._clock.monotonic()
        noting = self._writes.announce(call.route.server, now, max(0.0, call.deadline - now))
        return None if noting is None else self._announce(call, noting)

    async def _announce(self, call: Call, noting: Coroutine[Any, Any, int | None]) -> None:
        call.watch = await noting

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        server, number = call.route.server, call.watch
        if number is None:
            return super().leave(call, outcome)
        if has_ended(call, outcome):
            noting = self._writes.over(server, number)
            return outcome if noting is None else after(self._writes.tell(server, noting), outcome)
        self._servers[server].unanswered.once_answered(partial(self._writes.late, server, number))
        return outcome
