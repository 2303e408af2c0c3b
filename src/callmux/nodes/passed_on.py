"""A request that another node is to answer: how often it was begun there, and what of it is answered. Pure.

Made by `callmux.nodes.placing`.
"""

from __future__ import annotations

from callmux.nodes.outcome import Answered, requests_of
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Batch, Request


class PassedOn:
    """A request on its way.

    Args:
        body: What it brought.
        began: When it came, by the monotonic clock.

    Attributes:
        body, began: The same.
        answered: Hears what goes out on its stream.
        is_batch: Whether it is several requests.
        is_in_doubt: Whether it was begun at a node that is lost, and must not be begun twice.
    """

    def __init__(self, body: bytes, began: float = 0.0) -> None:
        self.body, self.began = body, began
        self.is_in_doubt = False
        self.answered = Answered()
        message = jsonrpc.parse(jsonrpc.on_one_line(body)) if body else None
        self.is_batch = isinstance(message, Batch)
        self._requests = [] if message is None else requests_of(message)
        self._begun = 0

    def open(self) -> list[Request]:
        """The requests in it that were not answered."""
        return self.answered.open(self._requests)

    def is_last(self) -> bool:
        """Whether it was begun again already; it is begun once more otherwise."""
        self._begun += 1
        return self._begun > 1
