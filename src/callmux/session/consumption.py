"""What conversations have cost their models, in tokens: as seen, one by one, and several calls a turn.

Made by `callmux.session.dispatch`, read for status and metrics of a listener; called by
`callmux.process.workings` for `callmux_status` and for the shield. All of it is estimated: bytes of results
are divided, and the texts of definitions weighed (`callmux.tokens`). Nothing is known of what a client does
with its context, such as summaries, or of definitions that it does not show its model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.session.session import Session
from callmux.session.usage import Course
from callmux.upstream.catalogue import Catalogue

BYTES_A_TOKEN = 3.65
"""Of the results and arguments in the recorded tasks of `benchmarks/replay`, by cl100k_base."""
WAYS = {"asSeen": "seen", "oneByOne": "apart", "severalATurn": "together"}
"""What a way is called -> where it stands in a `Usage`."""
COUNTS = ("turns", "calls", "newTokens", "readTokens")
_SHOWN = ("name", "description", "inputSchema")


class _Listing(msgspec.Struct):
    tools: list[dict[str, Raw]] = []


_LISTING = msgspec.json.Decoder(_Listing)
Counts = dict[str, dict[str, int]]


def read_again(client: ClientPort) -> int | None:
    """Bytes that one more turn of a client's model reads again: the definitions as it was listed them, and
    the conversation so far, as far as it went through here. None where that is not known: it has not asked
    for the list, or is one of several in a session."""
    session = client.session
    if not isinstance(session, Session) or not client.lasting:
        return None
    listed = session.seen.get("tools")
    return None if listed is None else round(_listed(listed) * BYTES_A_TOKEN) + session.facts.usage.told


class Consumption:
    """What all conversations of a process have cost.

    Args:
        catalogue: Gives the tools there are now.
    """

    def __init__(self, catalogue: Callable[[], Catalogue]) -> None:
        self._catalogue = catalogue
        self._gone = _nothing()

    def left(self, session: Session) -> None:
        """A session is over."""
        _add(self._gone, consumed(session, self._catalogue))

    def total(self, sessions: Iterable[Session]) -> Counts:
        """What all conversations have cost.

        Args:
            sessions: Those that go on.
        """
        whole = _nothing()
        _add(whole, self._gone)
        for session in sessions:
            _add(whole, consumed(session, self._catalogue))
        return whole

    def shown(self, sessions: Iterable[Session]) -> dict[str, Any]:
        """The same as status shows it."""
        return {"estimated": True, **self.total(sessions)}


def usage_of(catalogue: Callable[[], Catalogue], client: ClientPort) -> dict[str, Any] | None:
    """What the conversation of a client has cost, as status shows it; None where nothing was called yet."""
    session = client.session
    if not isinstance(session, Session):
        return None
    counts = consumed(session, catalogue)
    return {"estimated": True, **counts} if counts["asSeen"]["turns"] else None


def consumed(session: Session, catalogue: Callable[[], Catalogue]) -> Counts:
    """What the conversation of a session has cost, by way."""
    usage = session.facts.usage
    usage.settle()
    if not usage.seen.turns:
        return _nothing()
    listed = session.seen.get("tools")
    seen, plain = (0, 0) if listed is None else (_listed(listed), _plain(catalogue()))
    return {name: _counts(getattr(usage, at), seen if at == "seen" else plain) for name, at in WAYS.items()}


@lru_cache(maxsize=4)
def _plain(catalogue: Catalogue) -> int:
    """The tokens of all tools as their servers list them."""
    entries = (entry for key in catalogue.servers for entry in catalogue.of_server(key))
    return sum(_tokens(entry.tool.members) for entry in entries)


@lru_cache(maxsize=16)
def _listed(listing: bytes) -> int:
    """The tokens of the tools in a listing."""
    try:
        return sum(map(_tokens, _LISTING.decode(listing).tools))
    except (msgspec.MsgspecError, RecursionError):
        return 0


def _tokens(tool: Mapping[str, Raw]) -> int:
    """The tokens of what a model is given of a tool."""
    from callmux.tokens import estimate

    return estimate(msgspec.json.encode({key: tool[key] for key in _SHOWN if key in tool}).decode())


def _counts(way: Course, defined: int) -> dict[str, int]:
    if not way.turns:
        return dict.fromkeys(COUNTS, 0)
    read = defined * (way.turns + 1) + round((way.read + way.new) / BYTES_A_TOKEN)
    new = defined + round(way.new / BYTES_A_TOKEN)
    return {"turns": way.turns, "calls": way.calls, "newTokens": new, "readTokens": read}


def _nothing() -> Counts:
    return {name: dict.fromkeys(COUNTS, 0) for name in WAYS}


def _add(into: Counts, more: Counts) -> None:
    for name, counts in more.items():
        for what, count in counts.items():
            into[name][what] += count
