"""What a group of keys is: the base class of all sections, and the marks on their fields. Pure.

Subclassed by every section of the model; read by `callmux.config.check` and `callmux.config.schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

Problem: TypeAlias = tuple[str, str]
"""The key a problem is about (empty for the object itself), and what it must be."""


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A group of keys: one JSON object of the file, one class. Attributes are the keys in snake_case."""

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        """What is wrong between the keys of this object, given as in the file and not checked yet."""
        return ()

    @staticmethod
    def remarks(raw: Mapping[str, Any]) -> Iterable[Problem]:
        """What works and is probably not meant, in an object given as in the file."""
        return ()


class Items(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A mark on a list.

    Attributes:
        at_least_one: What to say about an empty list; None where it may be empty.
        empty_is_absent: Whether an empty list counts as none.
        unique: Whether later copies of an entry are dropped.
    """

    at_least_one: str | None = None
    empty_is_absent: bool = False
    unique: bool = False


class Choice(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A mark on a union of sections.

    Attributes:
        choose: The class that fits an object of the file, or what is wrong with it.
        options: All the classes.
    """

    choose: Callable[[Mapping[str, Any]], type[Section] | Problem]
    options: Sequence[type[Section]]


class Internal(msgspec.Struct, frozen=True):
    """A mark on a field that no file can set."""


def by_mode(*options: tuple[str, type[Section]]) -> Choice:
    """A choice by the key `mode`."""
    classes = dict(options)
    quoted = [f'"{mode}"' for mode in classes]
    quoted[-1] = f"or {quoted[-1]}"
    unknown = ("mode", "must be " + (", " if len(quoted) > 2 else " ").join(quoted))

    def choose(raw: Mapping[str, Any]) -> type[Section] | Problem:
        mode = raw.get("mode")
        return classes.get(mode, unknown) if isinstance(mode, str) else unknown

    return Choice(choose=choose, options=list(classes.values()))
