"""Addresses that a person was sent to, and who waits until he is done there.

Kept by `callmux.upstream.questions` for what servers of MCP 2025-11-25 ask (client/elicitation, "URL Mode"),
and by `callmux.process.sign_ins` for sign-ins; waited for by `callmux.rings.visiting` and
`callmux.rings.inviting`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec
from msgspec import Raw

VISIT_OVER = "notifications/elicitation/complete"


class _Complete(msgspec.Struct, rename="camel"):
    elicitation_id: str


_COMPLETE = msgspec.json.Decoder(_Complete)


class Visits:
    """The visits that somebody waits for, by the names that their addresses were given."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Event]] = {}

    def __repr__(self) -> str:
        return f"Visits({len(self._waiting)} waited for)"

    def told(self, params: Raw | None) -> None:
        """Takes the notice that a visit is over."""
        try:
            self.over(_COMPLETE.decode(params or b"{}").elicitation_id)
        except msgspec.MsgspecError:
            return

    def over(self, id: str) -> None:
        """A visit is over."""
        for event in self._waiting.get(id, ()):
            event.set()

    async def wait(self, ids: Collection[str], seconds: float) -> bool:
        """Waits until one of these visits is over; whether that was in time."""
        event = asyncio.Event()
        for id in ids:
            self._waiting.setdefault(id, []).append(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
            return True
        except TimeoutError:
            return False
        finally:
            for id in ids:
                waiting = self._waiting[id]
                waiting.remove(event)
                if not waiting:
                    del self._waiting[id]
