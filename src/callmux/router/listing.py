"""The tools a client sees: the bytes of a `tools/list` result. Pure.

Called by the router. A definition goes out as its server sent it, but for its name and what the
configuration adds; tools we do not change in any way go out byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.router.compress import Compression
from callmux.upstream.catalogue import Catalogue, Entry

ALWAYS_LOAD = "anthropic/alwaysLoad"
"""The `_meta` key that asks a client not to defer a tool."""

_ENCODER = msgspec.json.Encoder()


def render(
    catalogue: Catalogue,
    meta_tools: Sequence[dict[str, Any]],
    *,
    proxied: bool,
    compression: Compression | None = None,
) -> bytes:
    """The result of `tools/list`: proxied tools in catalogue order, then the meta-tools.

    Args:
        proxied: Show the servers' tools at all.
        compression: Shortens the servers' definitions; ours are written short.
    """
    shown = [definition(entry, compression) for entry in catalogue.entries] if proxied else []
    shown.extend(
        _ENCODER.encode(tool) if compression is None else compression.own(tool) for tool in meta_tools
    )
    return result("tools", shown, catalogue.beside)


def result(member: str, shown: Sequence[bytes], beside: Mapping[str, bytes]) -> bytes:
    """The result of a listing.

    Args:
        member: Where the definitions stand, such as `tools`.
        beside: Further members, raw.
    """
    others = b"".join(b",%b:%b" % (_ENCODER.encode(name), raw) for name, raw in beside.items())
    return b'{"%b":[%b]%b}' % (member.encode(), b",".join(shown), others)


def definition(entry: Entry, compression: Compression | None = None) -> bytes:
    """One tool as clients see it."""
    tool = entry.tool
    members: dict[str, Any] = dict(tool.members)
    if compression is not None:
        members = compression.tool(entry.server, tool.name, members)
    if entry.emitted == tool.name and not entry.always_load and members == tool.members:
        return tool.raw
    members["name"] = entry.emitted
    if entry.always_load:
        members["_meta"] = {**_meta(tool.members.get("_meta")), ALWAYS_LOAD: True}
    return _ENCODER.encode(members)


def _meta(raw: Raw | None) -> dict[str, Raw]:
    if raw is None:
        return {}
    try:
        return msgspec.json.decode(raw, type=dict[str, Raw])
    except msgspec.MsgspecError:
        return {}
