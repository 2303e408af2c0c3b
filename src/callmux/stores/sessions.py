"""The interface of sessions that several listeners share: what another one needs to go on with one. Pure.

Called by `callmux.transport.http.shared_sessions`; implemented by `callmux.stores.redis_sessions`. A listener
by itself needs no such store: its sessions are in its table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec


class KeptSession(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session, apart from its connections and its requests in flight.

    Attributes:
        owner: Stands for the principal that began it; empty where nobody is asked for a credential.
        begun: When it began: seconds since 1970.
        version: The MCP revision agreed on.
        capabilities: What the client declared, as JSON.
        asked: The profile that its address names; empty for none.
        profile: The profile that it has; empty for none.
        client_name: What the client calls itself, or None.
        client_kind: Which client of ours it is, or None.
        log_level: What the client set with `logging/setLevel`, or None.
        subscriptions: The resources it wants to hear of, by the URIs it knows.
        cwd: The directory it works in, or None.
        cwd_source: Where that was said last, or None.
        waits: Whether it is a bridge that is to know when a person is asked.
        asks: Whether it is a command of ours on a terminal.
        declared: What the greeting declared to it; None where nobody knows.
    """

    owner: str = ""
    begun: float
    version: str
    capabilities: str
    asked: str = ""
    profile: str = ""
    client_name: str | None = None
    client_kind: str | None = None
    log_level: str | None = None
    subscriptions: tuple[str, ...] = ()
    cwd: str | None = None
    cwd_source: str | None = None
    waits: bool = False
    asks: bool = False
    declared: tuple[str, ...] | None = None


class Over(msgspec.Struct, frozen=True):
    """A session that its client has ended: nobody takes it up again."""


OVER = Over()


class KeptSessions(Protocol):
    """Sessions by id. Every method raises `StoreUnavailable` where the store does not answer."""

    async def put(self, id: str, session: KeptSession, seconds: float) -> bool:
        """Keeps what is so now; says whether the session goes on: of one that is over nothing is kept.

        Args:
            seconds: How long it is kept unless it is kept or touched again.
        """

    async def get(self, id: str) -> KeptSession | Over | None:
        """The session; None where nothing is known of it (any more)."""

    async def touch(self, id: str, seconds: float) -> bool:
        """Keeps it for longer; says whether it was there."""

    async def end(self, id: str, seconds: float) -> None:
        """The session is over.

        Args:
            seconds: How long that is remembered.
        """

    async def ended(self, after: str, here: Iterable[str]) -> tuple[str, list[str]]:
        """Those of some sessions that were ended lately, at whichever listener.

        Args:
            after: What was given the last time; empty for the first, when nothing is told.
            here: The sessions.
        """
