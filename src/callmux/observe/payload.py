"""JSON of somebody else's as the audit log shows it: secrets hidden, and cut. Pure.

Called by `callmux.observe.audit_lines`. What is hidden is decided by `callmux.config.redact` and
`callmux.config.veil`, as everywhere. No more is looked at than is shown, whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from callmux.config.redact import MASK, is_secret_key
from callmux.config.veil import EVERYWHERE

MARGIN = 512
"""Characters of a long text that are looked at beyond what is shown: a secret may begin before its end."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def shown(body: bytes, most: int, hidden_keys: Sequence[str] = ()) -> Raw | None:
    """A body as JSON for a line; None where it is no JSON, or nothing is to be shown.

    Args:
        most: Characters of JSON that are shown; more is cut and becomes `{"truncated": true, "preview":
            ...}`.
        hidden_keys: Parts of keys, in lower case, whose values are hidden beside those of secrets.
    """
    if not most:
        return None
    parts, size = [], 0
    try:
        for part in _pieces(_decode(body), _hides(tuple(hidden_keys)), most + MARGIN):
            parts.append(part)
            size += len(part)
            if size > most:
                break
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    text = "".join(parts)
    if size <= most:
        return Raw(text.encode("utf-8", "replace"))
    return Raw(_encode({"truncated": True, "preview": text[:most].encode("utf-8", "replace").decode()}))


@lru_cache(maxsize=16)
def _hides(parts: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether the value of a key is hidden."""

    @lru_cache(maxsize=1024)
    def hides(key: str) -> bool:
        lower = key.lower()
        return any(part in lower for part in parts) or is_secret_key(key[:200], strict=True)

    return hides


def _pieces(value: Any, hides: Callable[[str], bool], most: int) -> Iterator[str]:
    """The JSON of a value, piece by piece."""
    if isinstance(value, str):
        yield _text(value, most)
    elif isinstance(value, dict):
        yield "{"
        for n, (key, member) in enumerate(value.items()):
            yield f"{',' if n else ''}{_text(key, most)}:"
            if hides(key):
                yield _quote(MASK)
            else:
                yield from _pieces(member, hides, most)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for n, item in enumerate(value):
            if n:
                yield ","
            yield from _pieces(item, hides, most)
        yield "]"
    else:
        yield _encode(value).decode()


def _text(text: str, most: int) -> str:
    return _quote(EVERYWHERE.hide(text[:most]))


def _quote(text: str) -> str:
    return _encode(text.encode("utf-8", "replace").decode()).decode()
