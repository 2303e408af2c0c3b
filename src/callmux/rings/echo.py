"""Whether the texts of a result say what the structured content beside them says. Pure.

Servers send both, for clients that know no structured content (MCP 2025-11-25, server/tools); a model would
read everything twice. Called by the fan-out (`callmux.metatools.values`) and for plain answers
(`callmux.rings.plain`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from callmux.protocol.shapes import json_in

LONGEST_ECHO = 1024 * 1024
"""Characters of a text that is compared with the structured content beside it."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])


def repeats(text: str, content: bytes) -> bool:
    """Whether `text` is the structured content as JSON, or what its only member says."""
    if len(text) > LONGEST_ECHO or len(content) > 2 * LONGEST_ECHO:
        return False
    try:
        members = _MEMBERS.decode(content)
        only = bytes(next(iter(members.values()))) if len(members) == 1 else b""
        if only[:1] == b'"' and msgspec.json.decode(only) == text:
            return True
        value = json_in(text)
        if value is None:
            return False
        said = msgspec.json.decode(value)
        return any(msgspec.json.decode(raw) == said for raw in (content, only) if raw)
    except (msgspec.MsgspecError, RecursionError):
        return False


def say(texts: Sequence[str], content: bytes) -> bool:
    """Whether one of these texts says all of the structured content, or each of them an item of the list that
    is its only member."""
    if any(repeats(text, content) for text in texts):
        return True
    if len(texts) < 2 or len(content) > 2 * LONGEST_ECHO:
        return False
    try:
        members = _MEMBERS.decode(content)
        items = _ITEMS.decode(next(iter(members.values()))) if len(members) == 1 else []
    except (msgspec.MsgspecError, RecursionError):
        return False
    if len(items) != len(texts):
        return False
    return all(repeats(text, b'{"item":%s}' % bytes(item)) for text, item in zip(texts, items, strict=True))
