"""The extensions of MCP whose requests can be routed among several servers, as a table. Pure.

A row says how each request of an extension finds its server, and where names stand in what comes back: URIs
or ids, which must lead to one server only. Whatever else a server answers stays byte for byte. Called by
`callmux.router.extensions`, which routes by it, `callmux.router.greeting`, `callmux.session.modern.serving`,
`callmux.protocol.methods` and the rules (`callmux.guard`). An extension that is not in the table is that of
the only server there is, or not declared.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from msgspec import Raw

from callmux.protocol import apps
from callmux.protocol.params import members, optional_text

TASKS = "io.modelcontextprotocol/tasks"
"""Tasks: calls that go on after their answer; see `callmux.protocol.tasks`."""
TASK_REQUESTS = frozenset({"tasks/cancel", "tasks/get", "tasks/update"})

SKILLS = "io.modelcontextprotocol/skills"
"""Skills: directories of instructions that servers offer as resources (SEP-2640)."""

EVENTS = "events"
"""What happens elsewhere, for clients that ask now and then or are told at an address (a draft of 2026)."""

Path: TypeAlias = tuple[str, ...]
"""The way to a member, by names from outside; of a list on the way, each part is meant."""


class Naming(enum.Enum):
    """What a request names, and its result."""

    ADDRESS = "address"
    """URIs, known to clients as those of resources."""
    ID = "id"
    """Ids that a server made up, which say nothing of it."""


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """One request of an extension. It has either `items` or `target`.

    Attributes:
        name: Its method.
        items: The member of its result that lists: all servers that declare the extension are asked, and
            what they list is joined.
        target: The member of its params that names something of one server.
        naming: What that is, and what stands at `names`.
        names: Where names stand in its result.
        setting: What a server declares, beside the extension, where it answers this.
        reads: Whether it changes nothing, so that it may be repeated.
        alone: A list in each item, and what in it only a server by itself can serve: it is left out with
            several servers, and so is an item with nothing else in that list.
    """

    name: str
    items: str | None = None
    target: str | None = None
    naming: Naming = Naming.ADDRESS
    names: tuple[Path, ...] = ()
    setting: str | None = None
    reads: bool = True
    alone: tuple[str, str] | None = None


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """One extension.

    Attributes:
        key: Its identifier, in `capabilities.extensions`.
        methods: Its requests.
        whole: The settings with which all of it is declared, while nobody knows what servers will have.
        capability: The capability that it is where it is none of `capabilities.extensions`.
    """

    key: str
    methods: tuple[Method, ...] = ()
    whole: Mapping[str, object] | None = None
    capability: str | None = None

    @property
    def path(self) -> Path:
        """Where servers declare it."""
        return ("extensions", self.key) if self.capability is None else (self.capability,)


TABLE = (
    Extension(key=apps.EXTENSION),
    # Its requests are `callmux.session.modern.tasks`'s: its ids name their server.
    Extension(key=TASKS),
    Extension(
        key=SKILLS,
        methods=(
            Method(
                name="skills/list", items="skills", names=(("skills", "uri"), ("skills", "resources", "uri"))
            ),
            Method(name="skills/get", target="uri", names=(("skill", "uri"), ("skill", "resources", "uri"))),
            Method(
                name="resources/directory/read",
                target="uri",
                names=(("resources", "uri"),),
                setting="directoryRead",
            ),
        ),
        whole={"directoryRead": True},
    ),
    # As its draft has it; a stream of events (`events/stream`) is for a server by itself.
    Extension(
        key=EVENTS,
        methods=(
            Method(
                name="events/list",
                items="events",
                naming=Naming.ID,
                names=(("events", "name"),),
                alone=("delivery", "push"),
            ),
            Method(name="events/poll", target="name", naming=Naming.ID, names=(("events", "name"),)),
            Method(name="events/subscribe", target="name", naming=Naming.ID, reads=False),
            Method(name="events/unsubscribe", target="name", naming=Naming.ID, reads=False),
        ),
        capability="events",
    ),
)
"""All extensions that several servers may have."""

KEYS = frozenset(extension.key for extension in TABLE if extension.capability is None)
"""Those that are declared under `extensions`."""
CAPABILITIES = frozenset(row.capability for row in TABLE if row.capability is not None)
"""The others, by their capabilities."""
OWNERS: Mapping[str, Extension] = {m.name: extension for extension in TABLE for m in extension.methods}
"""By method, the extension that has it."""
METHODS: Mapping[str, Method] = {m.name: m for extension in TABLE for m in extension.methods}
LISTING = frozenset(name for name, method in METHODS.items() if method.items is not None)
"""Requests that are answered with what several servers list."""
ADDRESSED = frozenset(
    name for name, method in METHODS.items() if method.target is not None and method.naming is Naming.ADDRESS
)
"""Requests that are for a URI."""

READING = frozenset(name for name, method in METHODS.items() if method.reads)
"""Requests that change nothing."""

_ENCODER = msgspec.json.Encoder()
_LIST = msgspec.json.Decoder(list[Raw])
_TEXTS = msgspec.json.Decoder(list[str])


def renamed(raw: bytes, paths: Sequence[Path], change: Callable[[str], str]) -> bytes:
    """A JSON object in which the texts at these paths are others; the same object where none is another.

    Args:
        change: Gives what stands there instead.
    """
    return bytes(after) if (after := _renamed(raw, paths, change)) is not None else raw


def among(items: Sequence[Raw], alone: tuple[str, str] | None) -> Sequence[Raw]:
    """Items as one of several servers may list them: without what only a server by itself can serve."""
    if alone is None:
        return items
    member, value = alone
    kept: list[Raw] = []
    for item in items:
        given = members(item)
        try:
            offered = _TEXTS.decode(given.get(member, b"[]"))
        except msgspec.MsgspecError:
            offered = []
        if value in offered:
            left = [one for one in offered if one != value]
            if not left:
                continue
            item = Raw(_ENCODER.encode({**given, member: left}))
        kept.append(item)
    return kept


def texts(raw: bytes, paths: Sequence[Path]) -> list[str]:
    """The texts at these paths."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    _renamed(raw, paths, note)
    return found


def _renamed(raw: bytes | Raw, paths: Sequence[Path], change: Callable[[str], str]) -> Raw | None:
    """The value with other texts; None where it stays."""
    if () in paths:
        text = optional_text(raw)
        after = text if text is None else change(text)
        return None if after == text else Raw(_ENCODER.encode(after))
    if bytes(raw).lstrip()[:1] == b"[":
        parts = _LIST.decode(raw)
        shown = [_renamed(part, paths, change) for part in parts]
        if not any(part is not None for part in shown):
            return None
        return Raw(_ENCODER.encode([p if s is None else s for p, s in zip(parts, shown, strict=True)]))
    given, changed = members(raw), False
    for name in dict.fromkeys(path[0] for path in paths):
        if name not in given:
            continue
        other = _renamed(given[name], [path[1:] for path in paths if path[0] == name], change)
        if other is not None:
            given[name], changed = other, True
    return Raw(_ENCODER.encode(given)) if changed else None
