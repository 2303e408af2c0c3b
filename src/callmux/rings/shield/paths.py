"""Paths inside a stored result: `data.items[0].name`, `labels["a.b"]`, `labels.a\\.b`. Pure.

Called by `callmux.rings.shield.query`, which follows them, and by `.shape`, which suggests them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(
    r"""\[\s*(?P<index>\d+)\s*\]"""
    r"""|\[\s*(?P<quote>["'])(?P<quoted>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\s*\]"""
    r"""|\.+"""
    r"""|(?P<plain>(?:\\.|[^.\[\\])+|.)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r"[.\[\\]")


def split(path: str) -> list[str]:
    """The keys of a path; empty ones between two dots do not count."""
    keys: list[str] = []
    joined = False
    end = 0
    for match in _TOKEN.finditer(path):
        end = match.end()
        if match["index"] is not None:
            keys.append(match["index"])
            joined = False
        elif match["quote"] is not None:
            keys.append(_ESCAPE.sub(r"\1", match["quoted"]))
            joined = False
        elif match["plain"] is not None:
            key = _ESCAPE.sub(r"\1", match["plain"])
            if joined:
                keys[-1] += key
            else:
                keys.append(key)
            joined = True
        else:
            joined = False
    assert end == len(path)
    return keys


def join(keys: Sequence[str]) -> str:
    """The path that `split` reads as `keys`."""
    shown = ""
    for key in keys:
        if key == "":
            shown += '[""]'
        else:
            shown += ("." if shown else "") + _SPECIAL.sub(r"\\\g<0>", key)
    return shown
