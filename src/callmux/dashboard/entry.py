"""The ways into the dashboard and out of it, and what must come with each change that a browser asks for.

Made by `callmux.dashboard.pages`; asks the check of browsers (`callmux.guard.visitors`), which has let each
request in already. A change needs the token of the page in a header, which no page of another origin can know
or send, and must not come from such a page.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callmux import __version__
from callmux.clock import Clock
from callmux.dashboard.powers import Powers, WhoLooks, powers_of
from callmux.guard.browsers import Browser, cookie_name, is_same
from callmux.guard.principal import Principal
from callmux.guard.visitors import Visitors, is_of_own_page
from callmux.transport.http.exchange import JSON, Exchange, Refusal
from callmux.transport.http.intake import read_body

log = logging.getLogger(__name__)

CSRF = "x-callmux-csrf"
MOST_BYTES = 32 * 1024
"""Of the body that signs in."""
BODY_SECONDS = 10.0
"""How long that may take to come: everybody may send it."""
NO_STORE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
EXPIRED = "./#sign-in=expired"
_BAD = (
    "this is no token of this listener: give one of `auth` or `management.auth`, or open the address that"
    " `callmux dashboard` prints"
)
OTHER_PAGE = "requests of web pages of another origin are refused"
_USED = "this code was used already, or is too old: run `callmux dashboard` again"


class _Shown(msgspec.Struct):
    token: str = ""
    code: str = ""


class FrontDoor:
    """The ways in.

    Args:
        visitors: The check of browsers.
        is_allowed: Whether the rules in force let a principal look.
        has_rules: Whether there are any.
        managed: Whether there is a management interface.
        clock: Time.
    """

    def __init__(
        self,
        visitors: Visitors,
        is_allowed: Callable[[Principal | None], bool],
        has_rules: Callable[[], bool],
        managed: bool,
        clock: Clock,
    ) -> None:
        self._visitors = visitors
        self._browsers = visitors.browsers
        self._is_allowed = is_allowed
        self._has_rules = has_rules
        self._managed = managed
        self._clock = clock

    def visitor(self, exchange: Exchange) -> Browser | None:
        """The browser that a request is from, where it has signed in."""
        return self._visitors.of(exchange)

    def manager(self, exchange: Exchange) -> Principal | None:
        """As whom a browser changes servers; None where it may not."""
        visitor = self.visitor(exchange)
        if visitor is None:
            return None
        return visitor.operator if visitor.manager is None else visitor.manager.principal

    def stays(self, visitor: Browser | None) -> bool:
        """Whether a browser that was signed in is so still."""
        return visitor is None or self._visitors.stays(visitor)

    def powers(self, exchange: Exchange) -> Powers:
        """What whoever sent a request may do."""
        return self._powers(self.visitor(exchange), exchange.principal)

    def _powers(self, visitor: Browser | None, principal: Principal | None) -> Powers:
        return powers_of(
            WhoLooks(
                visitor=visitor,
                principal=principal,
                is_allowed=self._is_allowed(principal),
                asks=self._visitors.asks,
                has_rules=self._has_rules(),
                has_managers=self._visitors.has_managers,
                managed=self._managed,
            )
        )

    def session(self, exchange: Exchange) -> dict[str, Any]:
        """What the page gets to know of whoever looks."""
        return self._session(self.visitor(exchange), exchange.principal)

    def _session(self, visitor: Browser | None, principal: Principal | None) -> dict[str, Any]:
        powers = self._powers(visitor, principal)
        shown = principal if visitor is None else visitor.principal
        facts: dict[str, Any] = {
            "authRequired": self._visitors.asks,
            "signedIn": visitor is not None or principal is not None,
            "csrf": self._browsers.csrf if visitor is None else visitor.csrf,
            **powers.shown(),
        }
        if shown is not None:
            facts["principal"] = shown.label
        if not powers.look:
            facts["version"] = __version__
        return facts

    def check_reader(self, exchange: Exchange) -> None:
        """Refuses to look something up for a page of another origin: it could not read the answer, but it
        could have us work.

        Raises:
            Refusal: 403.
        """
        has_token = self._visitors.asks and "authorization" in exchange.headers
        if not has_token and not is_of_own_page(exchange.headers, exchange.seen_host):
            raise Refusal(403, OTHER_PAGE)

    def check_change(self, exchange: Exchange) -> None:
        """Refuses a change that a page of another origin may have sent.

        Raises:
            Refusal: 403; 415 where the body is no JSON.
        """
        if self._visitors.asks and "authorization" in exchange.headers:
            # No browser adds that by itself.
            return
        self._check_page(exchange)
        visitor = self.visitor(exchange)
        expected = self._browsers.csrf if visitor is None else visitor.csrf
        if not is_same(exchange.headers.get(CSRF, ""), expected):
            raise Refusal(403, f"the header {CSRF} must be what `session` says: fetch that again")

    def _check_page(self, exchange: Exchange) -> None:
        if not is_of_own_page(exchange.headers, exchange.seen_host):
            raise Refusal(403, OTHER_PAGE)
        kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
        if exchange.method != "DELETE" and kind != JSON:
            # What a form or an image can send is never that.
            raise Refusal(415, f"the body must be JSON: send Content-Type: {JSON}")

    async def sign_in(self, exchange: Exchange) -> None:
        """Signs a browser in by a token or a code."""
        self._check_page(exchange)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await read_body(exchange, MOST_BYTES)
        except TimeoutError:
            exchange.closing = True
            raise Refusal(408, f"the body did not come within {BODY_SECONDS:g} s") from None
        try:
            shown = msgspec.json.decode(body, type=_Shown)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Refusal(400, f'the body must be {{"token": TOKEN}} or {{"code": CODE}}: {error}') from None
        before, now, wall = self.visitor(exchange), self._clock.monotonic(), self._clock.wall()
        if shown.code:
            code = self._browsers.take_code(shown.code, now)
            if code is None:
                raise Refusal(401, _USED)
            value, visitor = self._browsers.enter(now, wall, before=before, code=code)
        else:
            client, manager = await self._visitors.examine(exchange, shown.token)
            if client is None and manager is None:
                raise Refusal(401, _BAD)
            value, visitor = self._browsers.enter(now, wall, before=before, client=client, manager=manager)
        self._log_entered(visitor)
        principal = visitor.principal if self._visitors.asks else None
        await exchange.answer_json(
            200, self._session(visitor, principal), {**NO_STORE, **_cookie(exchange, value)}
        )

    async def enter(self, exchange: Exchange) -> None:
        """Signs a browser in by the code in the address that a command printed."""
        if "prefetch" in exchange.headers.get("sec-purpose", exchange.headers.get("purpose", "")):
            raise Refusal(403, "this address is good once: it is not fetched ahead")
        now = self._clock.monotonic()
        code = self._browsers.take_code(exchange.query("code") or "", now)
        if code is None:
            await exchange.answer(303, headers={**NO_STORE, "location": EXPIRED})
            return
        before = self.visitor(exchange)
        value, visitor = self._browsers.enter(now, self._clock.wall(), before=before, code=code)
        self._log_entered(visitor)
        await exchange.answer(303, headers={**NO_STORE, "location": "./", **_cookie(exchange, value)})

    async def sign_out(self, exchange: Exchange) -> None:
        """Signs a browser out."""
        visitor = self.visitor(exchange)
        if visitor is not None:
            self.check_change(exchange)
            self._browsers.leave(visitor)
        gone = _cookie(exchange, "") if visitor is not None else {}
        await exchange.answer_json(200, self._session(None, None), {**NO_STORE, **gone})

    def _log_entered(self, visitor: Browser) -> None:
        principal = visitor.principal
        log.info("a browser has signed in to the dashboard as %s", principal.label if principal else "nobody")


def _cookie(exchange: Exchange, value: str) -> Mapping[str, str]:
    """The header that sets the cookie, or takes it away. It names no path: the browser takes that of the
    address it asked for, which a proxy may have changed."""
    parts = [f"{cookie_name(exchange.headers.get('host', ''))}={value}", "HttpOnly", "SameSite=Strict"]
    is_https = exchange.scheme == "https" or exchange.seen_https
    if is_https or exchange.headers.get("origin", "").startswith("https://"):
        parts.append("Secure")
    if not value:
        parts.append("Max-Age=0")
    return {"set-cookie": "; ".join(parts)}
