"""Files by patterns such as `dist/**/*.js`, with what tells whether they have changed.

Called by `callmux.process.rebuilds`, in a thread: a large tree takes a while. Unlike the standard library's
`glob`, a wildcard never goes into directories that no source of a server is in (`node_modules`, `.git`, ...);
a pattern that names such a directory does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from callmux.patterns import late

Seen: TypeAlias = Mapping[str, tuple[int, int, int]]
"""Files by absolute path: identity, size and time (ns)."""

SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages"})
"""Directories that wildcards do not match, besides those whose names begin with a dot."""
MOST_FILES = 20_000
"""Files of one server that are looked at."""

_WILD = late(r"[*?[]")


def look(patterns: Iterable[str], base: Path) -> Seen:
    """The files that match now, at most `MOST_FILES`. What cannot be read is not there.

    Args:
        patterns: `*` and `?` stand for any characters of one name, `[...]` for one of some, `**` for any
            number of directories. Wildcards match no name that begins with a dot.
        base: Where relative patterns start.
    """
    found: dict[str, tuple[int, int, int]] = {}
    for pattern in patterns:
        whole = os.path.join(base, os.path.expanduser(pattern))
        root, *parts = Path(whole).parts
        for path in _walk(root, parts):
            if path not in found:
                try:
                    facts = os.stat(path)
                except OSError:
                    continue
                found[path] = facts.st_ino, facts.st_size, facts.st_mtime_ns
                if len(found) >= MOST_FILES:
                    return found
    return found


def _walk(directory: str, parts: list[str]) -> Iterator[str]:
    """The files below `directory` that the remaining parts of a pattern lead to."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        if rest:
            yield from _walk(directory, rest)
        for entry in _entries(directory):
            if entry.is_dir(follow_symlinks=False):
                if not _is_skipped(entry.name):
                    yield from _walk(entry.path, parts)
            elif not rest and not entry.name.startswith("."):
                yield entry.path
    elif not _WILD().search(part):
        path = os.path.join(directory, part)
        if rest:
            yield from _walk(path, rest)
        elif os.path.isfile(path):
            yield path
    else:
        matches = _matcher(part)
        for entry in _entries(directory):
            if not matches(entry.name) or (entry.name.startswith(".") and not part.startswith(".")):
                continue
            if rest and entry.is_dir() and not _is_skipped(entry.name):
                yield from _walk(entry.path, rest)
            elif not rest and entry.is_file():
                yield entry.path


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:
        return []


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in SKIPPED


@lru_cache(maxsize=256)
def _matcher(part: str) -> Callable[[str], object]:
    # Most processes watch nothing: they need not pay for it.
    from fnmatch import translate

    return re.compile(translate(part)).match
