"""The tools a client sees: the bytes of a `tools/list` result. Pure.

Called by the router. A definition goes out as its server sent it, but for its name, the address of its page
where two servers have the same one, and what the configuration adds; tools we do not change in any way go out
byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Raw

from callmux.protocol import apps
from callmux.router.compress import Compression, bounded
from callmux.upstream.catalogue import Catalogue, CatalogueEntry

if TYPE_CHECKING:
    from callmux.guard.rights import Rights
    from callmux.router.personas import Persona

ALWAYS_LOAD = "anthropic/alwaysLoad"
"""The `_meta` key that asks a client not to defer a tool."""

DEFERRING = frozenset({"claude-code"})
"""Names of clients that leave tools out of the model's sight unless these ask not to be deferred."""

NOTE = "callmux/note"
"""The `_meta` key of a sentence about a list."""

_ENCODER = msgspec.json.Encoder()
_UNCHANGED: Mapping[str, Mapping[str, str]] = {}


Kinds: TypeAlias = tuple[tuple[str, bytes], ...]
"""Servers that list other tools to some clients than to others, and the kind that a client is of there."""


class View(msgspec.Struct, frozen=True):
    """What one kind of client is shown differently.

    Attributes:
        apps: Whether tools are listed that only the pages of apps may call: it can show apps, and keeps these
            tools from its model.
        eager: Whether the meta-tools ask not to be deferred.
        kinds: By server, the kind of clients it lists to, where not all see the same tools.
        rights: What it may use, where not all may use the same.
        persona: What it is listed, where that fits its kind of clients; see `callmux.router.personas`.
    """

    apps: bool = True
    eager: bool = False
    kinds: Kinds = ()
    rights: Rights | None = None
    persona: Persona | None = None

    def eagerly(self, tool: str) -> bool:
        """Whether a meta-tool asks not to be deferred."""
        return self.eager and (self.persona is None or self.persona.loads(tool))


def render(
    catalogue: Catalogue,
    meta_tools: Sequence[dict[str, Any]],
    *,
    proxied: bool,
    compression: Compression | None = None,
    view: View = View(),  # noqa: B008 (frozen)
    renamed: Mapping[str, Mapping[str, str]] = _UNCHANGED,
    note: str | None = None,
    indexed: Callable[[Sequence[bytes]], Sequence[bytes]] | None = None,
) -> bytes:
    """The result of `tools/list`: proxied tools in catalogue order, then the meta-tools, then the tools of
    servers that came up after a list was given.

    Args:
        proxied: Whether to show the servers' tools at all.
        compression: Shortens the servers' definitions; ours are written short.
        view: Who sees it.
        renamed: By server, the URI that clients know by the server's own, where it is another.
        note: What must be said beside the list.
        indexed: Puts an index of the servers' tools into the meta-tools' definitions.
    """
    entries = (catalogue.entries if view.apps else catalogue.offered()) if proxied else []
    early, late = entries, list[CatalogueEntry]()
    if catalogue.late:
        early = [entry for entry in entries if entry.server not in catalogue.late]
        late = [entry for server in catalogue.late for entry in entries if entry.server == server]
    most = None if view.persona is None else view.persona.schema

    def defined(entry: CatalogueEntry) -> bytes:
        raw = definition(entry, compression, renamed.get(entry.server))
        return raw if most is None else bounded(raw, most)

    shown = [defined(entry) for entry in early]
    own: list[bytes] = []
    for tool in meta_tools:
        if view.eagerly(tool["name"]):
            tool = {**tool, "_meta": {ALWAYS_LOAD: True}}
        own.append(_ENCODER.encode(tool) if compression is None else compression.own(tool))
    shown += own if indexed is None else indexed(own)
    shown += [defined(entry) for entry in late]
    beside = catalogue.beside
    if note is not None:
        beside = {**beside, "_meta": _ENCODER.encode({NOTE: note})}
    return result("tools", shown, beside)


def result(member: str, shown: Sequence[bytes], beside: Mapping[str, bytes]) -> bytes:
    """The result of a listing.

    Args:
        member: Where the definitions stand, such as `tools`.
        beside: Further members, raw.
    """
    others = b"".join(b",%b:%b" % (_ENCODER.encode(name), raw) for name, raw in beside.items())
    return b'{"%b":[%b]%b}' % (member.encode(), b",".join(shown), others)


def definition(
    entry: CatalogueEntry, compression: Compression | None = None, renamed: Mapping[str, str] | None = None
) -> bytes:
    """One tool as clients see it."""
    tool = entry.tool
    members: dict[str, Any] = dict(tool.members)
    if renamed and tool.linkage.pages and (meta := _relinked(members["_meta"], renamed)) is not None:
        members["_meta"] = meta
    if compression is not None:
        members = compression.tool(entry.server, tool.name, members)
    if entry.emitted == tool.name and not entry.always_load and members == tool.members:
        return tool.raw
    members["name"] = entry.emitted
    if entry.always_load:
        members["_meta"] = {**_meta(members.get("_meta")), ALWAYS_LOAD: True}
    return _ENCODER.encode(members)


def _relinked(meta: Raw, renamed: Mapping[str, str]) -> Raw | None:
    return apps.relinked(meta, lambda uri: renamed.get(uri, uri))


def _meta(raw: Raw | None) -> dict[str, Raw]:
    if raw is None:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Raw])
    except msgspec.MsgspecError:
        return {}
