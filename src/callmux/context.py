"""What travels with a request: who asked, from where, and the way back to that client. Pure.

Made by a session for each request and passed, unchanged, through both rings.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Raw


class ClientPort(Protocol):
    """The way from an upstream's call back to the one client that caused it."""

    def notify(self, method: str, params: bytes | None) -> None:
        """Sends a notification, such as progress of the call; dropped once the client is gone."""


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of one request.

    Attributes:
        client: The way back to the client.
        progress_token: The client's `_meta.progressToken`, raw, or None.
        session_cwd: The directory of the client's session, where one is known.
    """

    client: ClientPort
    progress_token: Raw | None = None
    session_cwd: str | None = None
