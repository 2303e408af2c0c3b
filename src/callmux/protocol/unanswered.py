"""Requests that were given up and whose answers may still come: a server may be at work on them. Pure.

Filled by `callmux.protocol.upstream_peer`, one for all connections of a server; asked by the writing
stage, which must not let a read be kept while a write may still be carried out.
"""

from __future__ import annotations

from collections.abc import Callable

MOST = 1000
"""Requests and questions that are remembered; what is beyond counts as never answered."""


class Unanswered:
    """The requests of one server that nobody waits for any more."""

    def __init__(self) -> None:
        self._open: set[tuple[object, int]] = set()
        self._waits: list[tuple[set[tuple[object, int]], Callable[[], None]]] = []

    def __repr__(self) -> str:
        return f"Unanswered({len(self._open)}, {len(self._waits)} asking)"

    def given_up(self, peer: object, id: int) -> None:
        """Nobody waits for the answer to this request any more."""
        if len(self._open) < MOST:
            self._open.add((peer, id))

    def answered(self, peer: object, id: int | str | None) -> None:
        """An answer came that nobody waited for."""
        if not isinstance(id, int) or (peer, id) not in self._open:
            return
        self._open.discard((peer, id))
        waits, self._waits = self._waits, []
        for left, tell in waits:
            left.discard((peer, id))
            if left:
                self._waits.append((left, tell))
            else:
                tell()

    def gone(self, peer: object) -> None:
        """The conversation is over: what is open there is never answered."""
        if self._open:
            self._open = {key for key in self._open if key[0] is not peer}
            self._waits = [wait for wait in self._waits if not any(key[0] is peer for key in wait[0])]

    def once_answered(self, tell: Callable[[], None]) -> None:
        """Has `tell` called once all that is open now was answered. It never is, where anything is not."""
        if self._open and len(self._waits) < MOST:
            self._waits.append((set(self._open), tell))
