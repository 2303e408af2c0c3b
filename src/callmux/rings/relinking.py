"""Links in results lead to what clients know: a URI that two servers have is shown as its listing shows it.

A call stage, where there are several servers; it asks the index of `callmux.upstream.resources`. What is
cached and shared below keeps the server's own URIs. Only a server some of whose URIs are shown
differently, or may be, costs more than a look.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from callmux.protocol import apps
from callmux.protocol.params import exchange, members, optional_text
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.upstream.resources import KEPT, ResourceIndex

METHODS = frozenset({"tools/call", "tasks/result", "prompts/get"})
"""Whose results have content blocks (MCP 2025-11-25, server/tools, server/prompts)."""

LARGEST = 1_000_000
"""Bytes of a result that is searched for addresses which nobody has listed."""

_STARTS = tuple(scheme.removesuffix("//").encode() for scheme in KEPT)
_ENCODER = msgspec.json.Encoder()
_LIST = msgspec.json.Decoder(list[Raw])


class Relinking:
    """Call stage: shows URIs in results as the listing shows them.

    Args:
        index: Gives the index of resources as it is now.
    """

    def __init__(self, index: Callable[[], ResourceIndex]) -> None:
        self._index = index

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return route.method in METHODS

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        index, server = self._index(), call.route.server
        if not isinstance(outcome, Result):
            return outcome
        if server not in index.renamed and not (server in index.moving and _may_name(outcome.raw)):
            return outcome
        raw = relink(outcome.raw, partial(index.shown, server))
        return outcome if raw is outcome.raw else Result(raw)


def _may_name(raw: bytes) -> bool:
    """Whether a result may name an address that nobody has listed, and that could lead to another server."""
    return len(raw) <= LARGEST and any(raw.find(start) >= 0 for start in _STARTS)


def relink(raw: bytes, shown: Callable[[str], str]) -> bytes:
    """A result with the URIs of its resource links, embedded resources and page as clients know them; the
    same object where none is another.

    Args:
        shown: Gives the URI that clients know by the server's own.
    """
    given = members(raw)
    changed = False
    for name, change in (("content", _block), ("messages", _message)):
        if name in given and (changed_part := _each(given[name], change, shown)) is not None:
            given[name] = changed_part
            changed = True
    if (meta := apps.relinked(given.get("_meta"), shown)) is not None:
        given["_meta"] = meta
        changed = True
    return _ENCODER.encode(given) if changed else raw


_Change = Callable[[Raw, Callable[[str], str]], Raw | None]
"""What becomes of a part; None where it stays."""


def _each(raw: Raw, change: _Change, shown: Callable[[str], str]) -> Raw | None:
    try:
        parts: list[Any] = _LIST.decode(raw)
    except msgspec.MsgspecError:
        return None
    changed = False
    for n, part in enumerate(parts):
        if (after := change(part, shown)) is not None:
            parts[n] = after
            changed = True
    return Raw(_ENCODER.encode(parts)) if changed else None


def _message(raw: Raw, shown: Callable[[str], str]) -> Raw | None:
    """A prompt's message: its content is a block, or a list of them."""
    given = members(raw)
    content = given.get("content")
    if content is None:
        return None
    after = _block(content, shown) or _each(content, _block, shown)
    if after is None:
        return None
    given["content"] = after
    return Raw(_ENCODER.encode(given))


def _block(raw: Raw, shown: Callable[[str], str]) -> Raw | None:
    given = members(raw)
    kind = optional_text(given.get("type", Raw(b"null")))
    if kind == "resource_link":
        return Raw(_ENCODER.encode(given)) if exchange(given, "uri", shown) else None
    if kind == "resource":
        resource = members(given.get("resource"))
        if exchange(resource, "uri", shown):
            given["resource"] = Raw(_ENCODER.encode(resource))
            return Raw(_ENCODER.encode(given))
    return None
