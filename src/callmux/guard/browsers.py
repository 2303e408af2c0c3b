"""The browsers that have signed in to the dashboard, and the codes by which they can. Pure.

Made by `callmux.guard.guard` where the configuration has a dashboard; asked by `callmux.guard.visitors` for
each request below its path, and by `callmux.dashboard.entry`. Kept in memory: a restart signs everybody out.
What a browser holds, and every code, is known here by a digest only.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec

from callmux.guard.grant import Grant
from callmux.guard.principal import Principal

COOKIE = "callmux-browser"
"""Begins the name of the cookie; the port follows, since browsers give cookies to every port of a host."""
IDLE_SECONDS = 12 * 3600.0
"""How long a browser stays signed in without asking for anything."""
LONGEST_SECONDS = 7 * 24 * 3600.0
CODE_SECONDS = 120.0
MOST = 1000
"""Browsers that are signed in; the longest unused are signed out first."""
MOST_OF_ONE = 50
"""The same of one principal, so that nobody signs the others out."""
MOST_CODES = 20
MOST_SHOWN = 8
"""Cookies of one name that are looked at: a page of a neighbouring host may add some."""
_VALUE = re.compile(r"[A-Za-z0-9_-]{20,100}")


class ShownCredential(msgspec.Struct, frozen=True):
    """What a credential was found to give, and when.

    Attributes:
        grant: What it gives.
        principal: Whom it stands for.
        at: When it was examined, by the monotonic clock.
        again: Examines it again, for a request that needs it. The token itself stands nowhere here.
    """

    grant: Grant
    principal: Principal
    at: float
    again: Callable[[Any], Awaitable[ShownCredential | None]] | None = None

    def is_stale(self, now: float) -> bool:
        """Whether it must be examined again before it counts for another request."""
        return not 0 <= now - self.at <= self.grant.remembered_seconds

    def holds(self, now: float, wall: float) -> bool:
        """Whether it still counts, or may once it was examined again."""
        return self.grant.holds(wall) and (self.again is not None or not self.is_stale(now))


class Browser(msgspec.Struct, eq=False, kw_only=True):
    """One browser that has signed in.

    Attributes:
        csrf: What its page sends with each change.
        client: Its credential of the listener's `auth`; None without one.
        manager: Its credential of the management interface; None without one.
        operator: Whom a code of a command stands for; None where it showed none.
        person: Whether that command ran at a terminal.
        began, seen: When it signed in, and when it last asked for something, by the monotonic clock.
    """

    csrf: str
    client: ShownCredential | None = None
    manager: ShownCredential | None = None
    operator: Principal | None = None
    person: bool = False
    began: float
    seen: float

    @property
    def found(self) -> ShownCredential | None:
        """The credential that it is known by; None for an operator's."""
        return self.client or self.manager

    @property
    def principal(self) -> Principal | None:
        """Whom it stands for."""
        found = self.found
        return self.operator if found is None else found.principal

    def is_spent(self, now: float, wall: float) -> bool:
        """Whether it is signed out by time, or by the end of what it showed."""
        if now - self.seen > IDLE_SECONDS or now - self.began > LONGEST_SECONDS:
            return True
        if self.client is not None and not self.client.holds(now, wall):
            self.client = None
        if self.manager is not None and not self.manager.holds(now, wall):
            self.manager = None
        return self.found is None and self.operator is None


class Code(msgspec.Struct, frozen=True):
    """A code that was given out.

    Attributes:
        operator: Who asked for it.
        person: Whether that was at a terminal.
        until: When it is too old, by the monotonic clock.
    """

    operator: Principal
    person: bool
    until: float


class Browsers:
    """The browsers of one process."""

    def __init__(self) -> None:
        self._visitors: dict[bytes, Browser] = {}
        self._codes: dict[bytes, Code] = {}
        self.csrf = secrets.token_urlsafe(24)
        """What a page sends that is not signed in, where nobody has to be."""

    def __repr__(self) -> str:
        return f"Browsers({len(self._visitors)} signed in, {len(self._codes)} codes)"

    def find(self, cookies: str, host: str, now: float, wall: float) -> Browser | None:
        """The browser that sends these cookies; None where it is not signed in.

        Args:
            cookies: The `Cookie` header.
            host: The `Host` header.
            now: Monotonic.
            wall: Seconds since 1970.
        """
        for value in _values(cookies, cookie_name(host)):
            key = _digest(value)
            visitor = self._visitors.get(key)
            if visitor is None:
                continue
            if visitor.is_spent(now, wall):
                del self._visitors[key]
                continue
            visitor.seen = now
            return visitor
        return None

    def enter(
        self,
        now: float,
        wall: float,
        *,
        before: Browser | None = None,
        client: ShownCredential | None = None,
        manager: ShownCredential | None = None,
        code: Code | None = None,
    ) -> tuple[str, Browser]:
        """Signs a browser in; gives the value of its cookie, which is a new one each time.

        Args:
            before: As what it was signed in already: what it showed then counts on, its cookie does not.
            client, manager, code: What it shows now.
        """
        old = before or Browser(csrf="", began=now, seen=now)
        if before is not None:
            self.leave(before)
        visitor = Browser(
            csrf=secrets.token_urlsafe(24),
            client=client or old.client,
            manager=manager or old.manager,
            operator=old.operator if code is None else code.operator,
            person=old.person if code is None else code.person,
            began=now,
            seen=now,
        )
        self._make_room(visitor, now, wall)
        value = secrets.token_urlsafe(32)
        self._visitors[_digest(value)] = visitor
        return value, visitor

    def _make_room(self, new: Browser, now: float, wall: float) -> None:
        for key in [key for key, one in self._visitors.items() if one.is_spent(now, wall)]:
            del self._visitors[key]
        own = [key for key, one in self._visitors.items() if one.principal == new.principal]
        if len(own) >= MOST_OF_ONE:
            del self._visitors[min(own, key=lambda key: self._visitors[key].seen)]
        elif len(self._visitors) >= MOST:
            del self._visitors[min(self._visitors, key=lambda key: self._visitors[key].seen)]

    def leave(self, visitor: Browser) -> None:
        """Signs a browser out."""
        for key in [key for key, one in self._visitors.items() if one is visitor]:
            del self._visitors[key]

    def stays(self, visitor: Browser, now: float, wall: float) -> bool:
        """Whether a browser is signed in still."""
        return any(one is visitor for one in self._visitors.values()) and not visitor.is_spent(now, wall)

    def new_code(self, operator: Principal, now: float, *, person: bool) -> str:
        """A code that signs one browser in, once and soon.

        Args:
            operator: Who asks for it.
            now: Monotonic.
            person: Whether that is at a terminal.
        """
        self._codes = {key: code for key, code in self._codes.items() if now < code.until}
        while len(self._codes) >= MOST_CODES:
            del self._codes[next(iter(self._codes))]
        value = secrets.token_urlsafe(32)
        self._codes[_digest(value)] = Code(operator, person, now + CODE_SECONDS)
        return value

    def take_code(self, value: str, now: float) -> Code | None:
        """What a code stands for, which nobody can show again; None where it is none, or too old."""
        code = self._codes.pop(_digest(value), None)
        return code if code is not None and now < code.until else None


def cookie_name(host: str) -> str:
    """The name of the cookie at an address.

    Args:
        host: The `Host` header.
    """
    port = host.rpartition(":")[2]
    return f"{COOKIE}-{port}" if port.isdigit() and len(port) <= 5 else COOKIE


def is_same(shown: str, expected: str) -> bool:
    """Whether two texts are the same; how long that takes says nothing of them."""
    return hmac.compare_digest(shown.encode(), expected.encode())


def _values(cookies: str, name: str) -> Iterator[str]:
    """The values of the cookies of a name that can be ours."""
    left = MOST_SHOWN
    for pair in re.split("[;,]", cookies):
        key, _, value = pair.strip().partition("=")
        if key == name and left and _VALUE.fullmatch(value):
            left -= 1
            yield value


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
