"""A conversation with a peer as a transcript: this arrives, that must happen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

from callmux.protocol.jsonrpc import Batch, parse


class Transcript:
    """What a peer of either kind hears and does.

    Args:
        peer: The peer.
        plain: An event of its as plain values.
    """

    def __init__(self, peer: Any, plain: Callable[[Any], Any]) -> None:
        self.peer = peer
        self.event: Any = None
        self._plain = plain

    def hears(self, message: Any) -> Self:
        parsed = parse(message if isinstance(message, bytes) else json.dumps(message).encode())
        assert not isinstance(parsed, Batch)
        self.event = self._plain(self.peer.receive(parsed))
        return self

    def tells(self, *event: Any) -> Self:
        assert self.event == event
        assert self.peer.outbox == []
        return self

    def sends(self, **message: Any) -> Self:
        assert [json.loads(line) for line in self.peer.outbox] == [{"jsonrpc": "2.0", **message}]
        self.peer.outbox.clear()
        return self

    def does_nothing(self) -> Self:
        assert self.event is None
        assert self.peer.outbox == []
        return self
