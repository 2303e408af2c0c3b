"""Names of servers and tools: the only code that joins or splits "__" and shortens names. Pure.

Called by the catalogue (`callmux.upstream.catalogue`) and by cache and shield policies. Four kinds of name:
the *server key* of the configuration, the *bare* name a server gives its tool, the *qualified* name
`key__bare`, and the *emitted* name that clients see.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

SEPARATOR = "__"
DEFAULT_LIMIT = 50
"""Characters of an emitted name: the 64 most clients allow, less the `mcp__callmux__` they put in front."""

_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def join(prefix: str, bare: str) -> str:
    """`prefix__bare`, or `bare` alone where the prefix is empty."""
    return f"{prefix}{SEPARATOR}{bare}" if prefix else bare


def strip_prefix(prefix: str, name: str) -> str | None:
    """What follows `prefix__` in `name`, or None where it does not start so or nothing follows."""
    start = prefix + SEPARATOR
    return name[len(start) :] if prefix and name.startswith(start) and len(name) > len(start) else None


LONGEST_PREFIX = 500
"""Characters of a name in which its server is looked for: no server's key is longer."""


def possible_prefixes(name: str) -> list[str]:
    """Every part of `name` that stands before a "__", longest first. Of a name without end (somebody may send
    a megabyte of underscores) only the head counts."""
    found = []
    at = name.rfind(SEPARATOR, 0, LONGEST_PREFIX + len(SEPARATOR))
    while at > 0:
        found.append(name[:at])
        at = name.rfind(SEPARATOR, 0, at + 1)
    return found


def presentable(name: str, limit: int = DEFAULT_LIMIT) -> str:
    """The name a client can use for `name`: at most `limit` characters out of letters, digits, `_` and `-`.

    A name that already fits is returned as it is. Any other gets its illegal characters replaced by `_`, is
    cut, and ends in `_` and eight hexadecimal digits of its SHA-256, so that the same name always gives the
    same short one and two names never share one. `limit` 0 means: leave every name alone.
    """
    if limit == 0 or (len(name) <= limit and not _ILLEGAL.search(name)):
        return name
    # The library for it is large, and few names are too long.
    from hashlib import sha256

    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', name)[: max(limit - 9, 1)]}_{digest}"


def pattern(globs: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for whole names; `*` stands for any run of characters; None for no names at all."""
    parts = [".*".join(map(re.escape, glob.split("*"))) for glob in globs]
    return re.compile("|".join(f"(?:{part})" for part in parts), re.DOTALL) if parts else None


def spellings(server: str, bare: str, prefix: str | None = None) -> list[str]:
    """The names a pattern may mean a tool by: bare, qualified, and with its server's `prefix`."""
    return list(dict.fromkeys((bare, join(server, bare), *([join(prefix, bare)] if prefix else []))))
