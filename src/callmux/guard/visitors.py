"""The check of browsers: below the path of the dashboard, a cookie stands for what its browser has shown.

Made by `callmux.guard.guard` where the configuration has a dashboard; a check of `callmux.guard.gate` in
front of the usual ones. The cookie counts for requests of the dashboard's own pages only, and nowhere else
than below its path. Whoever shows a credential in a header is examined as everywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from callmux.clock import Clock
from callmux.guard.authentication import Authentication
from callmux.guard.browsers import Browser, Browsers, ShownCredential
from callmux.guard.gate import Caller, Check, TurnedAway, route_of
from callmux.guard.grant import Grant
from callmux.guard.managers import ENDPOINTS, PROFILED, UNAUTHORIZED, ShownAlone, is_below
from callmux.guard.principal import MANAGEMENT, Principal

Again: TypeAlias = Callable[[Caller], Awaitable[ShownCredential | None]]

HTML = "text/html"
OPEN = {"GET": ("/session", "/enter"), "POST": ("/sign-in", "/sign-out")}
"""What is answered to everybody: whether somebody is signed in, and the ways in and out."""
STATIC = "/static/"
"""Files of the page, the same for everybody."""


def is_of_own_page(headers: Mapping[str, str], seen_host: str | None = None) -> bool:
    """Whether no page of another origin can have made a request: browsers say so in headers that no page can
    write (Fetch Metadata; the Fetch standard's `Origin`).

    Args:
        seen_host: The host that the browser asked for, where a proxy says so.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        found = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(found) and found.lower() in {(headers.get("host") or "").lower(), (seen_host or "").lower()}


class Visitors:
    """The check.

    Args:
        base: The path of the dashboard.
        browsers: Those that have signed in.
        clock: Time.
        clients: Examines credentials of the listener; None where it has no `auth`.
        managers: Examines those of the management interface; None where it has none of its own.
        others: What all other requests pass; None where there is nothing to pass.
        apart: The path of the management interface, which may stand below that of the dashboard; None where
            there is none.

    Attributes:
        asks: Whether the listener asks for credentials at all.
        has_managers: Whether the management interface has credentials of its own.
    """

    is_left = False

    def __init__(
        self,
        base: str,
        browsers: Browsers,
        clock: Clock,
        clients: Authentication | None,
        managers: Authentication | None,
        others: Check | None,
        apart: str | None = None,
    ) -> None:
        self._base = base
        self._root = base.rstrip("/")
        self.browsers = browsers
        self._clock = clock
        self._now = clock.monotonic
        self._clients = clients
        self._managers = managers
        self._others = others
        self._apart = apart
        self.asks = clients is not None
        self.has_managers = managers is not None

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        if is_below(caller.path, self._base) and not self._is_of_others(caller.path):
            if (visitor := self.of(caller)) is not None:
                client = visitor.client
                if client is not None and client.again is not None and client.is_stale(self._now()):
                    return self._renew(visitor, client.again, caller)
                self._let_in(visitor, caller)
                return None
            if self._is_open(caller):
                return None
        return None if self._others is None else self._others.enter(caller)

    def _let_in(self, visitor: Browser, caller: Caller) -> None:
        found = visitor.found
        caller.principal = visitor.principal if self.asks else None
        caller.grant = None if found is None else found.grant

    async def _renew(self, visitor: Browser, again: Again, caller: Caller) -> None:
        """Has a credential examined again that counts for a while only, as one in a header is."""
        visitor.client = await again(caller)
        if self.stays(visitor):
            self._let_in(visitor, caller)
            return
        self.browsers.leave(visitor)
        if not self._is_open(caller) and self._others is not None:
            waiting = self._others.enter(caller)
            if waiting is not None:
                await waiting

    def leave(self, caller: Caller, status: int) -> None:
        """A cookie is shown anew with each request."""

    def of(self, caller: Caller) -> Browser | None:
        """The browser that a request is from; None where it is not signed in, or shows a credential in
        a header, which is stronger."""
        cookies = caller.headers.get("cookie")
        if (
            cookies is None
            or "authorization" in caller.headers
            or not is_of_own_page(caller.headers, caller.seen_host)
        ):
            return None
        host = caller.headers.get("host", "")
        return self.browsers.find(cookies, host, self._clock.monotonic(), self._clock.wall())

    def stays(self, visitor: Browser) -> bool:
        """Whether a browser is signed in still."""
        return self.browsers.stays(visitor, self._clock.monotonic(), self._clock.wall())

    def _is_of_others(self, path: str) -> bool:
        if self._apart is not None and is_below(path, self._apart):
            return True
        return route_of(path) in ENDPOINTS or path.startswith(PROFILED)

    def _is_open(self, caller: Caller) -> bool:
        if "authorization" in caller.headers:
            return False
        rest = caller.path[len(self._root) :]
        if caller.method == "GET" and rest in ("", "/"):
            return HTML in caller.headers.get("accept", "")
        if caller.method == "GET" and rest.startswith(STATIC):
            return True
        return rest in OPEN.get(caller.method, ())

    async def examine(
        self, caller: Caller, token: str
    ) -> tuple[ShownCredential | None, ShownCredential | None]:
        """What a token gives: as a credential of the listener, and of the management interface.

        Raises:
            TurnedAway: It gives something and that is not enough; or there were too many attempts.
        """
        client = await self._examined(self._clients, caller, token)
        manager = await self._examined(self._managers, caller, token)
        if manager is not None:
            principal = Principal(kind=MANAGEMENT, id=manager.principal.id)
            manager = ShownCredential(manager.grant, principal, manager.at)
        return client, manager

    async def _examined(
        self, check: Authentication | None, caller: Caller, token: str
    ) -> ShownCredential | None:
        if check is None:
            return None
        # As a header has it: a character a byte.
        alone = ShownAlone(caller, f"Bearer {token.encode().decode('latin-1')}")
        try:
            if (waiting := check.enter(alone)) is not None:
                await waiting
        except TurnedAway as refusal:
            if refusal.status != UNAUTHORIZED:
                raise
            return None
        grant: Grant | None = alone.grant
        if grant is None:
            return None

        async def again(later: Caller) -> ShownCredential | None:
            return await self._examined(check, later, token)

        return ShownCredential(grant, grant.principal, self._now(), again)
