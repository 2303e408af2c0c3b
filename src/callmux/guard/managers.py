"""The check of credentials where there is a management interface: that one has credentials of its own.

Made by `callmux.guard.guard` where the configuration has `management`; a check of `callmux.guard.gate` in
front of the usual one. Whoever shows one of its tokens below the path of the interface is let in
by that alone and becomes the principal `management:<id>`, who may do nothing else than what
`callmux.management` lets it.
"""

from __future__ import annotations

from collections.abc import Awaitable

from callmux.guard.authentication import Authentication
from callmux.guard.gate import Caller, Check, TurnedAway, route_of
from callmux.guard.grant import Grant
from callmux.guard.principal import MANAGEMENT, Principal

HEADER = "x-callmux-management-token"
UNAUTHORIZED = 401


ENDPOINTS = frozenset({"/mcp", "/sse", "/messages"})
"""Paths of clients: wherever the interface is, its credentials are none there."""
PROFILED = "/mcp/p/"


def is_below(path: str, base: str) -> bool:
    """Whether a path is that of a tree of pages, or one below it."""
    return path == base or path.startswith(base if base.endswith("/") else f"{base}/")


class ShownAlone:
    """A request as if it had brought nothing but one credential."""

    def __init__(self, caller: Caller, credential: str) -> None:
        self.scheme, self.method, self.path = caller.scheme, caller.method, caller.path
        self.peer, self.request_id = caller.peer, caller.request_id
        self.headers = {**caller.headers, "authorization": credential}
        self.principal: Principal | None = None
        self.grant: Grant | None = None
        self.seen_host = caller.seen_host


class Managers:
    """The check.

    Args:
        base: The path of the interface.
        own: The check of its credentials; None where it has none.
        others: What all other requests pass, and those that show no credential of the interface.
    """

    is_left = False

    def __init__(self, base: str, own: Authentication | None, others: Check | None) -> None:
        self._base = base
        self._own = own
        self._others = others

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        path = caller.path
        is_endpoint = route_of(path) in ENDPOINTS or path.startswith(PROFILED)
        if self._own is not None and is_below(path, self._base) and not is_endpoint:
            token, credential = caller.headers.get(HEADER), caller.headers.get("authorization")
            shown = [f"Bearer {token}"] if token else []
            shown += [credential] if credential else []
            if shown:
                return self._examine(self._own, caller, shown)
        return None if self._others is None else self._others.enter(caller)

    def leave(self, caller: Caller, status: int) -> None:
        """A credential is shown anew with each request."""

    async def _examine(self, own: Authentication, caller: Caller, shown: list[str]) -> None:
        for credential in shown:
            alone = ShownAlone(caller, credential)
            try:
                if (waiting := own.enter(alone)) is not None:
                    await waiting
            except TurnedAway as refusal:
                if refusal.status != UNAUTHORIZED:
                    raise
                continue
            if alone.principal is not None:
                caller.principal = Principal(kind=MANAGEMENT, id=alone.principal.id)
                return
        if self._others is not None and (waiting := self._others.enter(caller)) is not None:
            await waiting
