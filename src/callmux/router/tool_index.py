"""An index of the tools of all servers that takes no more than so many tokens, whatever there is. Pure.

Called by `callmux.router.index_pages`, which lays it out, and for the servers' names by
`callmux.router.tool_lists`. Tokens are estimated by `callmux.router.text_size`.

The same tools give the same bytes: servers stand by name and tools by name, whatever the order in which
they came up and were listed; only a server that came up after a list was given stands at the end. Each
group (the recipes, then every server) is shown in the best of the `STEPS` that the budget leaves it. All
are raised one step before any is raised further, the smaller first, so that a server with a thousand tools
costs the others nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from callmux.config.recipes import Recipe
from callmux.names import SEPARATOR
from callmux.router import signatures
from callmux.router.compress import words
from callmux.router.deprecations import DEPRECATED
from callmux.router.text_size import characters, estimate
from callmux.upstream.catalogue import Catalogue, CatalogueEntry

COUNTS, NAMES, REQUIRED, SIGNATURES, WORDS = range(5)
"""How much a group says: how many tools it has; their names; and the parameters that must be given; all
parameters with types; and a few words on each tool."""
BRIEF = -1
"""The same as counts where there is room for nothing but the number."""
STEPS = (NAMES, REQUIRED, SIGNATURES, WORDS)
_SAID = {NAMES: " (names only)", REQUIRED: " (required parameters only)", SIGNATURES: "", WORDS: ""}
MOST_TOLD = 400
"""Characters that the servers' names may take where only they are told."""
TOPICS = 8
"""Words that say what the tools of a server are about, of which not even the names are shown."""
LEAST = 1.5
"""Tokens that any name takes at least, with what stands between names."""
LONGEST = 450
"""Characters of an item; each must find room in a description beside what else stands there."""
PER_LINE = 1
"""Tokens between two items."""
LEGEND = (
    "Index of tools; put the heading's server__ before the name. name(required, optional?:type), no type is "
    "text. A wrong call is answered with the input schema."
)
UNKNOWN = "Not up yet, so that their tools are not known (callmux_status says why):"
SEARCH = "More tools (find them with callmux_search_tools):"
_COMMON = frozenset(
    {
        "get",
        "list",
        "create",
        "update",
        "delete",
        "add",
        "remove",
        "set",
        "search",
        "find",
        "read",
        "write",
        "a",
    }
    | {"the", "of", "to", "by", "for", "in", "on", "and", "with", "all", "from", "id", "api"}
)
"""Words of names that say nothing of what they are about."""


class Passage(msgspec.Struct, frozen=True):
    """A heading and what stands under it, each item on a line of its own or beside the others.

    Attributes:
        heading: What stands before the items.
        items: Each is shown whole or not at all.
        between: What stands between two items.
    """

    heading: str
    items: Sequence[str]
    between: str = "\n"


class Group:
    """The recipes, or the tools of one server.

    Args:
        heading: What stands before them.
        label: What they are called where only their number is told.
        count: That number.
        show: Gives them as lines, by how much these say.
        about: Gives a few words on them.

    Attributes:
        count: How many there are.
        step: How much is shown of them.
        brief: Where they are only counted, nothing else is said of them.
    """

    def __init__(
        self, heading: str, label: str, count: int, show: Callable[[int], list[str]], about: Callable[[], str]
    ) -> None:
        self.count = count
        self.step = COUNTS
        self.brief = False
        self._heading, self._label = heading, label
        self._show, self._about = show, about
        self._costs: dict[int, int] = {}
        self._items: dict[int, list[str]] = {}
        self._told: str | None = None

    def __repr__(self) -> str:
        return f"Group({self._label}, {self.count}, step {self.step})"

    def _lines(self, step: int) -> list[str]:
        if step not in self._items:
            self._items[step] = self._show(step)
        return self._items[step]

    @property
    def counted(self) -> str:
        """What is said of them where they are not shown."""
        if self._told is None:
            self._told = self._about()
        about = f" ({self._told})" if self._told and not self.brief else ""
        return f"{self._label}: {self.count}{about}"

    def cost(self, step: int) -> int:
        """Tokens that it takes in a step."""
        key = BRIEF if step == COUNTS and self.brief else step
        if key not in self._costs:
            if step == COUNTS:
                cost = estimate(self.counted) + PER_LINE
            else:
                lines = [self._heading + _SAID[step], *self._lines(step)]
                cost = sum(map(estimate, lines)) + PER_LINE * len(lines)
            self._costs[key] = cost
        return self._costs[key]

    def block(self) -> Passage:
        """They as they are shown."""
        between = ", " if self.step == NAMES else "\n"
        return Passage(f"{self._heading}{_SAID[self.step]}:", self._lines(self.step), between)


def fitted(groups: Sequence[Group], room: int) -> list[Passage]:
    """The index in at most so many tokens, about, its legend not counted. Recipes stand first."""
    for group in groups:
        group.step, group.brief = COUNTS, False
    counted, left_out = _counted(groups, room)
    if left_out:
        for group in groups:
            group.brief = True
        counted, left_out = _counted(groups, room)
    _raise(counted, room - sum(group.cost(COUNTS) for group in counted))
    shown = [group.block() for group in counted if group.step != COUNTS]
    rest = [group.counted for group in counted if group.step == COUNTS]
    if left_out:
        rest.append(f"{len(left_out)} more servers: {sum(group.count for group in left_out)}")
    return [*shown, *([Passage(SEARCH, rest, "; ")] if rest else [])]


def servers_told(catalogue: Catalogue) -> str:
    """The servers and how many tools each has, as far as there is room; empty where there are none."""
    told = []
    for key in _order(catalogue):
        if count := len(catalogue.offered(key)):
            told.append(f"{signatures.plain(key)} {count}")
        elif _is_unknown(catalogue, key):
            told.append(f"{signatures.plain(key)} not up yet")
    return ", ".join(_some(told))


def unknown(catalogue: Catalogue) -> list[Passage]:
    """The servers of which nobody knows what tools they have; nothing where there are none."""
    waiting = [signatures.plain(key) for key in _order(catalogue) if _is_unknown(catalogue, key)]
    return [Passage(UNKNOWN, _some(waiting), ", ")] if waiting else []


def _is_unknown(catalogue: Catalogue, key: str) -> bool:
    server = catalogue.servers[key]
    return not server.listed and not server.disabled


def _some(told: Sequence[str]) -> list[str]:
    """As many of them as have room, and how many servers there are more."""
    shown: list[str] = []
    for one in told:
        if characters(", ".join([*shown, one])) > MOST_TOLD:
            break
        shown.append(one)
    more = len(told) - len(shown)
    return [*shown, *([f"{more} more servers"] if more else [])]


def _order(catalogue: Catalogue) -> list[str]:
    """The servers by name, those that came late at the end."""
    late = [key for key in catalogue.late if key in catalogue.servers]
    return [*sorted(key for key in catalogue.servers if key not in late), *late]


def grouped(catalogue: Catalogue, recipes: Mapping[str, Recipe]) -> list[Group]:
    """What somebody may see who sees these tools and recipes: the recipes, and the tools of each server."""
    groups = []
    if recipes:
        heading, about = "Recipes, run by callmux_recipe_run", "callmux_status lists them"
        groups.append(
            Group(heading, "recipes", len(recipes), lambda step: _recipes(recipes, step), lambda: about)
        )
    for key in _order(catalogue):
        if entries := sorted(catalogue.offered(key), key=_place):
            groups.append(_of_server(key, entries))
    return groups


def _place(entry: CatalogueEntry) -> tuple[bool, str]:
    """Tools by name, those at the end that should not be used any more."""
    return signatures.is_deprecated(entry.tool), entry.emitted


def _recipes(recipes: Mapping[str, Recipe], step: int) -> list[str]:
    return _whole(
        (
            signatures.plain(name),
            signatures.of_recipe(name, recipes[name], optional=step > REQUIRED) if step > NAMES else "",
            signatures.few_words(name, recipes[name].description or "") if step == WORDS else "",
        )
        for name in sorted(recipes)
    )


def _of_server(key: str, entries: Sequence[CatalogueEntry]) -> Group:
    prefix = _prefix(entries)

    def show(step: int) -> list[str]:
        return _whole(_said(entry, entry.emitted.removeprefix(prefix), step) for entry in entries)

    label = signatures.plain(key)
    return Group(
        f"## {signatures.plain(prefix) or label}", label, len(entries), show, lambda: _topics(entries)
    )


def _said(entry: CatalogueEntry, name: str, step: int) -> tuple[str, str, str]:
    """The name of a tool, its signature and what it is for, as far as a step shows them. That it should not
    be used any more is said at each."""
    tool, name = entry.tool, signatures.plain(name)
    line = signatures.signature(name, tool, optional=step > REQUIRED) if step > NAMES else ""
    told = signatures.words(tool.name, tool) if step == WORDS else ""
    if signatures.is_deprecated(tool):
        mark = f" ({DEPRECATED})"
        name += mark
        line += mark if line and not told else ""
    return name, line, told


def _whole(said: Iterable[tuple[str, str, str]]) -> list[str]:
    """Each as a line of at most `LONGEST` characters, or its name; a name that is longer is left out."""
    lines = []
    for name, line, told in said:
        full = f"{line} {told}" if told else line or name
        shown = next((text for text in (full, line, name) if text and characters(text) <= LONGEST), None)
        if shown is not None:
            lines.append(shown)
    return lines


def _prefix(entries: Sequence[CatalogueEntry]) -> str:
    """What the names of most tools of a server begin with, `server__`; empty for nothing."""
    starts = Counter(
        entry.emitted.removesuffix(entry.tool.name)
        for entry in entries
        if entry.emitted.endswith(SEPARATOR + entry.tool.name)
    )
    return min(starts, key=lambda start: (-starts[start], start)) if starts else ""


def _topics(entries: Sequence[CatalogueEntry]) -> str:
    """What the names of tools are about: their most frequent words."""
    found = Counter(word for entry in entries for word in set(words(entry.tool.name)) if word.isalpha())
    said = sorted(
        (word for word in found if word not in _COMMON and len(word) > 2),
        key=lambda word: (-found[word], word),
    )
    return ", ".join(word[: signatures.LONGEST_NAME] for word in said[:TOPICS])


def _counted(groups: Sequence[Group], room: int) -> tuple[list[Group], list[Group]]:
    """The groups whose counts find room, in their order, and the others."""
    left = room
    for n, group in enumerate(groups):
        left -= group.cost(COUNTS)
        if left < 0:
            return list(groups[:n]), list(groups[n:])
    return list(groups), []


def _raise(groups: Sequence[Group], left: int) -> None:
    """Shows as much of each group as there is room for."""
    for step in STEPS:
        candidates = [group for group in groups if group.step == step - 1]
        if step == NAMES:
            # Names of thousands of tools need not be looked at to know that they are too many.
            candidates = [group for group in candidates if group.count * LEAST <= left + group.cost(COUNTS)]
        candidates.sort(key=lambda group: group.cost(step) - group.cost(group.step))
        for group in candidates:
            more = group.cost(step) - group.cost(group.step)
            if more > left:
                break
            group.step, left = step, left - more
