"""What travels with a request: who asked, from where, and the way back to that client. Pure.

Made by a session for each request and passed, unchanged, through both rings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Raw


class ClientPort(Protocol):
    """The way from an upstream's call back to the one client that caused it."""

    @property
    def session(self) -> ClientPort:
        """The client itself, where this is the port of one of its requests: two ports of one client differ,
        their sessions do not."""

    @property
    def capabilities(self) -> bytes:
        """What the client declared, as canonical JSON; `{}` before it greeted."""

    @property
    def log_level(self) -> str | None:
        """The level it set with `logging/setLevel`, or None."""

    @property
    def own_lanes(self) -> bool:
        """It needs connections of its own: it set a log level, and logs name no request."""

    @property
    def reading(self) -> bool:
        """It takes what it is sent; while it does not, no call begins that would bring it more."""

    async def until_reading(self) -> None:
        """Waits until `reading`."""

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        """Sends a notification, such as progress of the call; dropped once the client is gone."""

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
    ) -> bytes | Raw:
        """Asks the client something a server wants to know.

        Args:
            progress: Takes the params of the client's progress, under the server's own token.

        Raises:
            RpcError: It refuses, or is gone.
        """


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of one request.

    Attributes:
        client: The way back to the client.
        progress_token: The client's `_meta.progressToken`, raw, or None.
        session_cwd: The directory of the client's session, where one is known.
        owner: Whom kept results belong to: the principal and credentials of the client; empty where there is
            only one user, who may read everything.
        credentials: Names the credentials that go to the servers with its calls; empty for callmux's own.
            Only calls of one such scope share results.
        progress: Takes the call's progress in place of the client, where several callers share the call.
        remote: The caller may be somebody else than the user of this machine (a client of a listener): files
            are read for it only inside the configured roots.
    """

    client: ClientPort
    progress_token: Raw | None = None
    session_cwd: str | None = None
    remote: bool = False
    owner: str = ""
    credentials: str = ""
    progress: Callable[[Raw], None] | None = None
