"""The tools of a listener as the dashboard lists them, and one of them whole. Pure.

Called by `callmux.dashboard.views` with what the runtime lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.observe.wording import said
from callmux.upstream.catalogue import CatalogueEntry

LONGEST = 300
"""Characters of a description in the list; the tool itself is shown whole."""


class _Listed(msgspec.Struct):
    name: str = ""


class _Listing(msgspec.Struct):
    tools: list[Raw] = []


def listed(entries: Iterable[CatalogueEntry], own: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All tools, without their schemas.

    Args:
        entries: The tools of servers.
        own: The meta-tools.
    """
    found = []
    for entry in entries:
        tool = entry.tool
        facts: dict[str, Any] = {"name": entry.emitted, "server": entry.server, "tool": tool.name}
        if tool.title:
            facts["title"] = said(tool.title, LONGEST)
        if tool.description:
            facts["description"] = said(tool.description, LONGEST)
        facts |= {"readOnly": tool.read_only, "destructive": tool.destructive, "bytes": len(tool.raw)}
        found.append(facts)
    for definition in own:
        facts = {"name": definition["name"], "server": "", "tool": definition["name"]}
        facts["description"] = said(str(definition.get("description", "")), LONGEST)
        found.append({**facts, "bytes": len(msgspec.json.encode(definition))})
    return found


def one(name: str, entries: Iterable[CatalogueEntry], listing: bytes) -> dict[str, Any] | None:
    """One tool: as clients see it, and as its server listed it; None where there is none.

    Args:
        listing: The result of `tools/list`.
    """
    shown = next((raw for raw in _tools_in(listing) if _name_of(raw) == name), None)
    entry = next((entry for entry in entries if entry.emitted == name), None)
    if shown is None and entry is None:
        return None
    facts: dict[str, Any] = {"name": name, "server": "" if entry is None else entry.server}
    facts["tool"] = name if entry is None else entry.tool.name
    # Not listed to clients where the configuration shows meta-tools alone.
    facts["listed"] = shown
    facts["original"] = shown if entry is None else Raw(entry.tool.raw)
    return facts


def _tools_in(listing: bytes) -> list[Raw]:
    return msgspec.json.decode(listing, type=_Listing).tools


def _name_of(raw: Raw) -> str:
    return msgspec.json.decode(raw, type=_Listed).name
