"""What the client has been shown: to go on with while the listener is away, and to see what changed. Pure.

Called by `callmux.bridge.relay`. Also tells which calls may be repeated, by the annotations of the tools.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux import names
from callmux.metatools.table import traits
from callmux.plan import Plan
from callmux.protocol.params import DISCOVER, LISTEN, members

LISTS = {
    "tools/list": ("tools", "notifications/tools/list_changed"),
    "prompts/list": ("prompts", "notifications/prompts/list_changed"),
    "resources/list": ("resources", "notifications/resources/list_changed"),
    "resources/templates/list": ("resourceTemplates", "notifications/resources/list_changed"),
}
"""Method -> the member with its items, and the notification that they changed."""

SAFE_METHODS = frozenset(LISTS) | {
    "ping",
    "completion/complete",
    "events/list",
    "events/poll",
    "logging/setLevel",
    "prompts/get",
    "resources/directory/read",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    DISCOVER,
    LISTEN,
    "skills/get",
    "skills/list",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
}
"""Requests that may be sent again whatever became of them."""


class _Hints(msgspec.Struct, rename="camel"):
    read_only_hint: object = None
    idempotent_hint: object = None


class _Tool(msgspec.Struct):
    name: str
    annotations: _Hints | None = None


class _Tools(msgspec.Struct):
    tools: list[Raw] = []


class _Cursor(msgspec.Struct, rename="camel"):
    next_cursor: str | UnsetType | None = UNSET


_TOOLS = msgspec.json.Decoder(_Tools)
_TOOL = msgspec.json.Decoder(_Tool)
_CURSOR = msgspec.json.Decoder(_Cursor)
_ITEMS = msgspec.json.Decoder(list[Raw])


def next_cursor(page: bytes | Raw) -> str | None:
    """Where the page after `page` begins; None after the last."""
    try:
        cursor = _CURSOR.decode(page).next_cursor
    except msgspec.MsgspecError:
        return None
    return cursor or None


def cursor_of(params: bytes | Raw | None) -> bytes | None:
    """The page that is asked for, raw; None for the first."""
    given = members(params).get("cursor")
    return None if given is None or bytes(given) == b"null" else bytes(given)


class Listings:
    """The last pages of each kind of list."""

    def __init__(self) -> None:
        self._pages: dict[str, dict[bytes | None, bytes]] = {}
        self._genuine: set[str] = set()
        self._told: dict[str, frozenset[bytes]] = {}
        self._learnt: list[bytes] = []
        self._safe: dict[str, bool] | None = None

    def saw(self, method: str, params: bytes | Raw | None, page: bytes, *, genuine: bool = True) -> None:
        """The client was given this page.

        Args:
            genuine: Whether a listener has given it, some time.
        """
        if genuine:
            self._genuine.add(method)
        cursor = cursor_of(params)
        if cursor is None:
            self._pages[method] = {}
            self._told.pop(method, None)
        self._pages.setdefault(method, {})[cursor] = page
        if method == "tools/list":
            self._safe = None

    def learn(self, page: bytes) -> None:
        """A page of tools that the client has not seen: for their annotations only."""
        self._learnt.append(page)
        self._safe = None

    def forget(self, method: str) -> None:
        """The client was refused this list: nothing of it is shown while the listener is away."""
        self._pages.pop(method, None)
        self._told.pop(method, None)
        self._genuine.discard(method)
        if method == "tools/list":
            self._safe = None

    def last(self, method: str, params: bytes | Raw | None) -> bytes:
        """The page the client was given last, or an empty one."""
        page = self._pages.get(method, {}).get(cursor_of(params))
        return page if page is not None else b'{"%b":[]}' % LISTS[method][0].encode()

    def has(self, method: str) -> bool:
        """Whether a listener has given a list of this kind before."""
        return method in self._genuine

    def listed(self) -> list[str]:
        """The kinds of list the client has asked for."""
        return list(self._pages)

    def pages(self, method: str) -> int:
        """How many pages of it the client has."""
        return len(self._pages.get(method, ()))

    def changed(self, method: str, pages: Sequence[bytes]) -> bool:
        """Whether `pages` are not what the client has, and it was not told so before. Order is no matter."""
        now = _items(method, pages)
        if now == self._told.get(method) or now == _items(method, list(self._pages[method].values())):
            return False
        self._told[method] = now
        return True

    def knows_tools(self) -> bool:
        """Whether there is a list of tools, so that its annotations can be asked."""
        return bool(self._hints())

    def is_safe(self, name: str, plan: Plan | None) -> bool:
        """Whether a tool call may be repeated.

        Args:
            plan: What it calls, where it is a meta-tool.
        """
        own = traits(name if plan is None else plan.name)
        if own is not None and own.harmless:
            return True
        if plan is None:
            return self._hints().get(name, False)
        return bool(plan.calls) and all(self._child(c.spelling, c.server) for c in plan.calls)

    def _child(self, tool: str, server: str | None) -> bool:
        hints = self._hints()
        exact = [tool] if server is None else [names.join(server, tool), tool]
        for name in exact:
            if name in hints:
                return hints[name]
        if server is not None:
            return False
        ends = [safe for name, safe in hints.items() if name.endswith(f"__{tool}")]
        return bool(ends) and all(ends)

    def _hints(self) -> dict[str, bool]:
        if self._safe is None:
            self._safe = {}
            for page in [*self._learnt, *self._pages.get("tools/list", {}).values()]:
                self._safe.update(_hints(page))
        return self._safe


def _hints(page: bytes) -> dict[str, bool]:
    found = {}
    try:
        tools = _TOOLS.decode(page).tools
    except msgspec.MsgspecError:
        return {}
    for raw in tools:
        try:
            tool = _TOOL.decode(raw)
        except msgspec.MsgspecError:
            continue
        hints = tool.annotations or _Hints()
        found[tool.name] = hints.read_only_hint is True or hints.idempotent_hint is True
    return found


def _items(method: str, pages: Sequence[bytes]) -> frozenset[bytes]:
    """The items of `pages` in a form in which equal ones are equal."""
    key = LISTS[method][0]
    found = set()
    for page in pages:
        try:
            for raw in _ITEMS.decode(members(page).get(key, b"[]")):
                found.add(msgspec.json.encode(msgspec.json.decode(raw), order="sorted"))
        except msgspec.MsgspecError:
            found.add(page)
    return frozenset(found)


class _Subscription(msgspec.Struct):
    uri: str = ""


_SUBSCRIPTION = msgspec.json.Decoder(_Subscription)


def uri_of(params: Raw) -> str:
    """The resource that a subscription is to; empty for none."""
    try:
        return _SUBSCRIPTION.decode(params).uri
    except msgspec.MsgspecError:
        return ""
