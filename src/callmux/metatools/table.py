"""All meta-tools, in the order in which clients see them, and what each of them is. Pure.

Called by whoever must know of a meta-tool without running it: help, the shell verbs, the bridge, the
instructions of agents; `callmux.metatools.meta_tool` adds what runs them. To add a meta-tool, write its
module and add a row here.
"""

from __future__ import annotations

from callmux.traits import Traits

PREFIX = "callmux_"

ROWS = {
    "parallel": Traits(
        calls=True,
        entries="calls",
        tells_of_calls=True,
        tier="read",
        page=2,
        takes="{calls: [{tool, arguments}]}",
    ),
    "batch": Traits(calls=True, entries="items", tells_of_calls=True, tier="read", page=4),
    "pipeline": Traits(
        calls=True,
        entries="steps",
        tells_of_calls=True,
        tier="read",
        page=5,
        takes="{steps: [{tool, arguments}]} for calls in order",
    ),
    "search_tools": Traits(lists=True, shielded=False, harmless=True, tier="read", page=3, basic=True),
    "get_result": Traits(shielded=False, harmless=True, tier="read", restricted=True, page=6, basic=True),
    "call": Traits(
        calls=True, entries="tool", transparent=True, relays=True, tier="read", page=1, basic=True
    ),
    "dry_run": Traits(shielded=False, harmless=True, tier="read"),
    "recipe_run": Traits(
        calls=True,
        entries="recipe",
        expands=True,
        relays=True,
        tells_of_calls=True,
        tier="read",
        takes="{recipe, arguments}",
    ),
    "recipe_dry_run": Traits(entries="recipe", expands=True, shielded=False, harmless=True, tier="read"),
    "cache_clear": Traits(shielded=False, formatted=False, harmless=True),
    "status": Traits(shielded=False, harmless=True, tier="read"),
}
"""Module -> what its meta-tool is."""

_TRAITS = {PREFIX + word: traits for word, traits in ROWS.items()}

NAMES = frozenset(_TRAITS)
"""The names no server's tool may be listed under."""


def traits(name: str) -> Traits | None:
    """What the meta-tool of this name is; None where there is none."""
    return _TRAITS.get(name)


def names() -> list[str]:
    """The names in listing order."""
    return list(_TRAITS)


def advice() -> list[str]:
    """What rows say to agents."""
    return [traits.advice for traits in ROWS.values() if traits.advice]
