"""Where the index of tools stands: in the descriptions of a few meta-tools and of their parameters. Pure.

Called by `callmux.router.tool_lists`; takes the index from `callmux.router.tool_index`. Clients cut
descriptions at a number of characters of their own, so each page keeps within the smallest that is known,
and an item is never divided. All of them stand in what a client lists, so that the index does not depend on
whether a client shows `instructions`, which name the servers only (`callmux.router.greeting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from callmux.config.recipes import Recipe
from callmux.metatools.table import names, traits
from callmux.router.text_size import CUT, ERROR, characters, estimate
from callmux.router.tool_index import LEGEND, Passage, fitted, grouped, unknown
from callmux.upstream.catalogue import Catalogue

SHORTEST = 600
"""Characters that a page must have room for."""
OWN_TOKENS = 1300
"""Tokens that the meta-tools' definitions may take; what they take beyond, the index takes less."""
LESS = 0.93
"""The part of the room that is tried next where the pages, with their headings, take too much."""
MOST_TRIES = 40
ON = "Index of tools, continued from callmux_call:"

_DEFINITIONS = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


class Spot(msgspec.Struct, frozen=True):
    """Where a page may stand.

    Attributes:
        owner: What has the description.
        room: Characters that it has room for.
        size: Bytes that it has room for; None for any number.
    """

    owner: dict[str, Any]
    room: int
    size: int | None = None

    def takes(self, page: str) -> bool:
        """Whether a page has room here."""
        return characters(page) <= self.room and (
            self.size is None or len(_ENCODER.encode(page)) <= self.size
        )


def with_index(
    shown: Sequence[bytes],
    budget: int,
    catalogue: Catalogue,
    recipes: Mapping[str, Recipe],
    schema: int | None = None,
) -> list[bytes]:
    """The meta-tools' definitions with the index in them.

    Args:
        shown: The definitions, as they would be listed without it.
        budget: Tokens that it may take.
        catalogue: The tools that their reader may see.
        recipes: The recipes that he may run.
        schema: Bytes that the input schema of one tool may have; any number where None.
    """
    tools = {tool["name"]: tool for tool in map(_DEFINITIONS.decode, shown)}
    free = _places(tools, schema)
    own = sum(estimate(raw.decode()) for raw in shown)
    most = int((budget - max(0, own - OWN_TOKENS)) * (1 - ERROR))
    groups = grouped(catalogue, recipes if any(map(_runs_recipes, tools)) else {})
    waiting = unknown(catalogue)
    left = most - estimate(LEGEND)
    for _ in range(MOST_TRIES):
        pages = _pages([*fitted(groups, left), *waiting], free)
        if pages is not None and sum(map(estimate, pages)) <= most:
            for place, page in zip(free, pages, strict=False):
                if page:
                    _put(place.owner, page)
            return [_ENCODER.encode(tool) for tool in tools.values()]
        left = int(left * LESS)
    return list(shown)


def _runs_recipes(name: str) -> bool:
    """Whether recipes can be run by a meta-tool: by their own, or by the one that takes that, too."""
    own = traits(name)
    return own is not None and own.calls and (own.expands or own.transparent)


def places() -> list[tuple[str, str]]:
    """The descriptions that have a page, in the order of the pages: a tool's, and that of one of its
    parameters, or an empty text."""
    rows = sorted((own.page, name, own.entries) for name in names() if (own := traits(name)) and own.page)
    return [(name, parameter) for _, name, entries in rows for parameter in dict.fromkeys(("", entries))]


def _places(tools: Mapping[str, Any], schema: int | None) -> list[Spot]:
    """What has a description that can be added to."""
    found = []
    for name, parameter in places():
        owner, size = tools.get(name), None
        if owner is not None and parameter:
            if schema is not None:
                size = schema - len(_ENCODER.encode(owner["inputSchema"])) - len(',"description":')
            owner = owner["inputSchema"]["properties"][parameter]
        if owner is not None:
            room = CUT - characters(owner.get("description", "")) - len("\n\n")
            if room >= SHORTEST and (size is None or size >= SHORTEST):
                found.append(Spot(owner, room, size))
    return found


def _put(owner: dict[str, Any], page: str) -> None:
    own = owner.get("description")
    owner["description"] = f"{own}\n\n{page}" if own else page


def _pages(blocks: Sequence[Passage], free: Sequence[Spot]) -> list[str] | None:
    """The index in pages that have room in these places, one of which may stay empty; None where they are too
    few."""
    pages: list[str] = []
    if not blocks:
        return pages
    page = LEGEND
    for block in blocks:
        heading = f"\n{block.heading}\n"
        start = heading
        for item in block.items:
            while len(pages) < len(free) and not free[len(pages)].takes(page + start + item):
                pages.append("" if page == ON else page)
                page, start = ON, heading
            if len(pages) == len(free):
                return None
            page += start + item
            start = block.between
    return [*pages, page]
