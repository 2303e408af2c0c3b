"""The interface of parked calls: who may go on with a call that waits for its client, and only once. Pure.

A modern client is not asked while its call runs: the call is parked, the client gets `input_required` with a
token, and comes again with answers and that token. The call itself stays with the process that runs it. What
a store keeps under the token is a record, so that any process can tell whose the token is, that nobody has
used it, and which process has the call. Implemented by `callmux.stores.memory_parked`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import msgspec


class ParkedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the store.

    Attributes:
        each: Parked calls of one owner.
        total: All together.
    """

    each: int = 100
    total: int = 1000


class ParkedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a parked call.

    Attributes:
        owner: Whose call it is: only the owner may go on with the call.
        request: What the call was asked with, such as a digest of method and params: who comes again must ask
            the same.
        process: Which process has the call.
        until: When the call expires, by the clock of whoever asks the store.
    """

    owner: str
    request: bytes
    process: str = ""
    until: float


class ParkedCalls(Protocol):
    """Records of parked calls, by token. Times are monotonic, of the process that asks."""

    def park(self, token: str, call: ParkedCall, now: float) -> bool | Awaitable[bool]:
        """Keeps a record; says whether there was room for one more of this owner."""

    def take(self, token: str, owner: str, now: float) -> ParkedCall | Awaitable[ParkedCall | None] | None:
        """Gives the record of a token and forgets it: of all that ask, one gets it.

        None where the token was taken before, has expired, or is another owner's, who can still use it.
        """

    def drop(self, token: str) -> Awaitable[None] | None:
        """Forgets a record: the call has ended without its client."""
