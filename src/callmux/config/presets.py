"""Presets: one word for several keys. Pure.

Called by `callmux.config.check`, which reads a file as if what its preset sets stood there, and by
`callmux.cli.config`, `callmux.doctor.checks` and `callmux.setup.plan`, which show it. A preset is only
defaults: whatever key a file has goes before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

KEY = "preset"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "lean": {
        "metaOnly": True,
        "toolIndexTokens": 1500,
        "persona": "auto",
        "outputFormat": "shortest",
        "responseShield": {"preview": "beginning"},
        "schemaCompression": {"mode": "aggressive"},
        "cacheTtlSeconds": 60,
        "cachePolicy": {"tellAge": True},
    }
}
"""What each preset sets, as it would stand in a file."""

_YIELDS: Mapping[str, Mapping[str, Any]] = {
    "metaOnly": {"exposeMetaTools": False},
    "toolIndexTokens": {"exposeMetaTools": False, "metaOnly": False},
}
"""Keys of a preset that have no place beside values of other keys: those are the file's own wish."""


class Default(msgspec.Struct, frozen=True):
    """One key of a preset beside a file.

    Attributes:
        key: Where it stands, such as `schemaCompression.mode`.
        value: What the preset says.
        holds: Whether the file leaves it at that.
        instead: What the file says in its place, where it does not.
    """

    key: str
    value: Any
    holds: bool
    instead: str = ""

    @property
    def text(self) -> str:
        """The key and its value, as in a file."""
        return f"{self.key} {_json(self.value)}"

    @property
    def other(self) -> str:
        """What stands in the file, and what it replaces."""
        own = self.instead.partition(" ")[0] == self.key
        return f"{self.instead} (not {_json(self.value) if own else self.text})"


def preset_of(document: Mapping[str, Any]) -> str | None:
    """The preset that a file names; None for none, or for one that there is not."""
    name = document.get(KEY)
    return name if isinstance(name, str) and name in PRESETS else None


def completed(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A file with what its preset sets where the file says nothing."""
    name = preset_of(document)
    if name is None:
        return document
    after = dict(document)
    for one in _defaults(PRESETS[name], document):
        if one.holds:
            key, _, part = one.key.partition(".")
            after[key] = {**after.get(key, {}), part: one.value} if part else one.value
    return after


def defaults(document: Mapping[str, Any]) -> list[Default]:
    """Each key that the preset of a file sets, or would set."""
    name = preset_of(document)
    return [] if name is None else list(_defaults(PRESETS[name], document))


def lines(document: Mapping[str, Any]) -> list[str]:
    """What the preset of a file sets, and which of its own keys go before it, for people."""
    name = preset_of(document)
    if name is None:
        return []
    every = defaults(document)
    said = [f'Preset "{name}" sets: ' + (", ".join(one.text for one in every if one.holds) or "nothing")]
    if others := [one.other for one in every if not one.holds]:
        said.append(f"The file itself goes before it: {', '.join(others)}")
    return said


def _defaults(preset: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Default]:
    for key, value in preset.items():
        own = document.get(key)
        if (other := _gives_way(key, document)) is not None:
            yield Default(key, value, False, other)
        elif key not in document:
            yield from (
                (Default(f"{key}.{name}", part, True) for name, part in value.items())
                if isinstance(value, Mapping)
                else [Default(key, value, True)]
            )
        elif isinstance(value, Mapping) and isinstance(own, Mapping):
            for name, part in value.items():
                place = f"{key}.{name}"
                instead = f"{place} {_json(own[name])}" if name in own else ""
                yield Default(place, part, name not in own, instead)
        else:
            yield Default(key, value, False, f"{key} {_json(own)}")


def _gives_way(key: str, document: Mapping[str, Any]) -> str | None:
    """The key and value of a file beside which a preset's key has no place."""
    wishes = {} if key in document else _YIELDS.get(key, {})
    found = (other for other, value in wishes.items() if document.get(other) is value)
    other = next(found, None)
    return None if other is None else f"{other} {_json(document[other])}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
