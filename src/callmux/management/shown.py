"""The configuration as the management interface shows it: as it is written, without its secrets. Pure.

Called by `callmux.management.changes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callmux.config.redact import MASK, is_reference, is_secret_key, mask_command, mask_text, mask_url
from callmux.config.veil import EVERYWHERE
from callmux.errors import InvalidArguments

_HIDDEN = ("env", "headers")
_TOKEN = ("hash", "token")


def shown_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """A whole configuration; its servers always stand under `servers`."""
    shown: dict[str, Any] = {"servers": {}}
    for key, value in document.items():
        if key in ("servers", "mcpServers"):
            entries = value if isinstance(value, dict) else {}
            shown["servers"] = {name: shown_entry(entry) for name, entry in entries.items()}
        else:
            shown[key] = _shown(value, key)
    return shown


def shown_entry(entry: Any) -> Any:
    """The entry of a server: values of variables and headers are hidden, and what looks like a secret."""
    if not isinstance(entry, dict):
        return _shown(entry, "")
    shown: dict[str, Any] = {}
    for key, value in entry.items():
        if key in _HIDDEN and isinstance(value, dict):
            shown[key] = {name: _hidden(value[name]) for name in sorted(value)}
        elif key == "args" and isinstance(value, list):
            words = [word if isinstance(word, str) else str(word) for word in value]
            shown[key] = [EVERYWHERE.hide(word) for word in mask_command(["", *words])[1:]]
        elif key == "url" and isinstance(value, str):
            shown[key] = EVERYWHERE.hide(mask_url(value))
        elif key == "envRefs":
            shown[key] = value
        else:
            shown[key] = _shown(value, key)
    return shown


def _hidden(value: Any) -> Any:
    return value if isinstance(value, str) and is_reference(value) else MASK


def _shown(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {
            name: MASK
            if name in _TOKEN and isinstance(inner, str) and key == "tokens"
            else _shown(inner, name)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_shown(inner, key) for inner in value]
    if isinstance(value, str):
        return MASK if is_secret_key(key) and not is_reference(value) else EVERYWHERE.hide(mask_text(value))
    return value


def restored(entry: dict[str, Any], before: Any) -> dict[str, Any]:
    """An entry that somebody was shown and sends back: what was hidden in it is as it was before.

    Args:
        entry: The entry that is sent.
        before: The one that is in force, if there is one.

    Raises:
        InvalidArguments: Something in it is hidden that was not there before.
    """
    kept = before if isinstance(before, dict) else {}
    shown = shown_entry(kept)
    return {key: _restored(value, shown.get(key), kept.get(key), key) for key, value in entry.items()}


def _restored(value: Any, shown: Any, before: Any, place: str) -> Any:
    if isinstance(value, dict):
        seen, kept = (one if isinstance(one, dict) else {} for one in (shown, before))
        return {k: _restored(v, seen.get(k), kept.get(k), f"{place}.{k}") for k, v in value.items()}
    if isinstance(value, list):
        seen_items, kept_items = (one if isinstance(one, list) else [] for one in (shown, before))
        items = []
        for n, item in enumerate(value):
            at = n if n < len(seen_items) and seen_items[n] == item else _place(item, seen_items)
            there = 0 <= at < len(kept_items)
            items.append(
                _restored(
                    item,
                    seen_items[at] if there else None,
                    kept_items[at] if there else None,
                    f"{place}[{n}]",
                )
            )
        return items
    if isinstance(value, str) and MASK in value:
        if value == shown and before is not None:
            return before
        raise InvalidArguments(
            f'{place} has "{MASK}" in it, which only stands for a secret that is in force already: '
            "give the value, or a reference to it",
            field=place,
        )
    return value


def _place(item: Any, seen: list[Any]) -> int:
    """Where an item of a list was that stands at another place now; -1 for nowhere."""
    return next((n for n, one in enumerate(seen) if one == item), -1)
