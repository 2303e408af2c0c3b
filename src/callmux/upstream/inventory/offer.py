"""What one server offers: its tools and how they changed, resources, templates, prompts, instructions. Pure.

Kept by `callmux.upstream.server` over losses of the connection; read by the catalogue and the indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.protocol.params import members
from callmux.protocol.shapes import Tool
from callmux.upstream.catalogue import RemovedTool


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The tools a server has, and how they changed last.

    Attributes:
        generation: Rises by one with every listing that has other names than the one before.
        changed_at: ISO time of the last such listing.
        added, removed: Names that the last connect or change brought or took.
        altered: Names of tools that the last connect or change defined otherwise.
        gone: Every name it had once and has no more.
    """

    tools: tuple[Tool, ...] = ()
    listed: bool = False
    generation: int = 0
    changed_at: str | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    gone: Mapping[str, RemovedTool] = {}

    def after(self, tools: tuple[Tool, ...], now: str, last_seen: str) -> Suite:
        """The suite once the server lists `tools`."""
        before = {t.name: t.raw for t in self.tools}
        names = {t.name for t in tools}
        altered = tuple(sorted(t.name for t in tools if before.get(t.name, t.raw) != t.raw))
        if self.listed and before.keys() == names:
            return msgspec.structs.replace(self, tools=tools, added=(), removed=(), altered=altered)
        gone = {k: v for k, v in self.gone.items() if k not in names}
        for name in before.keys() - names:
            gone[name] = RemovedTool(last_seen_at=last_seen, removed_at=now)
        return Suite(
            tools=tools,
            listed=True,
            generation=self.generation + 1,
            changed_at=now,
            added=tuple(sorted(names - before.keys())),
            removed=tuple(sorted(before.keys() - names)),
            altered=altered,
            gone=gone,
        )

    def record(self) -> dict[str, Any]:
        """What status shows of it."""
        facts: dict[str, Any] = {}
        if self.listed:
            facts["toolSuiteGeneration"] = self.generation
        if self.changed_at is not None:
            facts["lastToolSuiteChangeAt"] = self.changed_at
        if self.generation > 1 and self.added:
            facts["addedTools"] = list(self.added)
        if self.removed:
            facts["removedTools"] = list(self.removed)
        if self.altered:
            facts["changedTools"] = list(self.altered)
        return facts


class Item(msgspec.Struct, frozen=True):
    """A prompt, a resource or a resource template as its server lists it.

    Attributes:
        key: What it is asked for by: the prompt's `name`, the resource's `uri`, or the `uriTemplate`.
        raw: The whole definition.
    """

    key: str
    raw: bytes


class ListKind(msgspec.Struct, frozen=True):
    """One kind of list beside tools.

    Attributes:
        method: How it is asked for.
        member: Where the items stand in the result.
        key: The member of an item that names it.
        capability: What a server must declare to have it.
        changed: The notification that it is out of date.
    """

    method: str
    member: str
    key: str
    capability: str
    changed: str


PROMPTS = ListKind("prompts/list", "prompts", "name", "prompts", "notifications/prompts/list_changed")
RESOURCES = ListKind(
    "resources/list", "resources", "uri", "resources", "notifications/resources/list_changed"
)
TEMPLATES = ListKind(
    "resources/templates/list",
    "resourceTemplates",
    "uriTemplate",
    "resources",
    "notifications/resources/list_changed",
)
TOOLS_CHANGED = "notifications/tools/list_changed"
KINDS = (PROMPTS, RESOURCES, TEMPLATES)

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)


def read_items(kind: ListKind, raws: Sequence[bytes]) -> tuple[Item, ...]:
    """The items of a listing; those without a usable key are left out."""
    items = []
    for raw in raws:
        try:
            items.append(Item(_STRING.decode(_MEMBERS.decode(raw)[kind.key]), raw))
        except (msgspec.MsgspecError, KeyError):
            continue
    return tuple(items)


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a server offers beside its tools.

    Attributes:
        capabilities: As it declared them.
        instructions: For the model, or None.
        server_info: Its `serverInfo`, raw, or None.
        items: Prompts, resources and templates, by kind.
        beside: What stood beside the items in each list, by its member (`tools`, `prompts` ...): raw values
            by name.
        others: What else stood in the answer to `initialize`: raw values by name.
    """

    capabilities: Mapping[str, Raw] = {}
    instructions: str | None = None
    server_info: bytes | None = None
    items: Mapping[ListKind, tuple[Item, ...]] = {}
    beside: Mapping[str, Mapping[str, bytes]] = {}
    others: Mapping[str, bytes] = {}

    def has(self, capability: str) -> bool:
        return capability in self.capabilities

    def declares(self, *path: str) -> bool:
        """Whether it declares this part of its capabilities: a member by its way from outside."""
        raw = self.capabilities.get(path[0])
        for name in path[1:]:
            raw = members(raw).get(name)
        return raw is not None and bytes(raw) not in (b"false", b"null")

    def with_items(
        self, kind: ListKind, items: tuple[Item, ...], beside: Mapping[str, bytes] | None = None
    ) -> Offer:
        """The offer with another list of one kind."""
        changed = msgspec.structs.replace(self, items={**self.items, kind: items})
        return changed.with_beside(kind.member, beside or {})

    def with_beside(self, member: str, beside: Mapping[str, bytes]) -> Offer:
        """The offer with something else beside the items of one list."""
        others = {name: known for name, known in self.beside.items() if name != member}
        return msgspec.structs.replace(self, beside={**others, member: beside} if beside else others)

    def lists_as(self, other: Offer) -> bool:
        """Whether both have the same in their lists."""
        return self.items == other.items and self.beside == other.beside
