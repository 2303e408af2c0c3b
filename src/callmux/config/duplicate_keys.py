"""Finds keys that stand twice in one object of a JSON text. Pure.

Called by `callmux.config.load` for what it reads and by the commands that write a configuration. JSON readers
take the last of two equal keys without a word (RFC 8259, section 4, leaves that open), so a server can vanish
from a file that looks right.
"""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')


def duplicates(text: str) -> list[str]:
    """One sentence for each key that stands twice, with its path and both lines.

    Args:
        text: Valid JSON without comments; see `callmux.config.json_text.strict`.
    """
    found: list[str] = []
    # One entry an open bracket: the lines of an object's keys (None in a list), and where we are in it.
    open_brackets: list[tuple[dict[str, int] | None, list[Any]]] = []
    line, counted, last = 1, 0, ""
    for token in _TOKEN.finditer(text):
        word, at = token.group(), token.start()
        if word == ":":
            keys, place = open_brackets[-1]
            key = _plain(last)
            # Lines are counted only as far as the last key: the whole text is passed over once.
            line += text.count("\n", counted, at)
            counted = at
            place[0] = key
            assert keys is not None  # A colon stands in objects only.
            if key in keys:
                path = _path(open_brackets)
                found.append(f"{path} stands twice (lines {keys[key]} and {line}); only the last one counts")
            keys[key] = line
        elif word in "{[":
            open_brackets.append(({} if word == "{" else None, ["" if word == "{" else 0]))
        elif word in "}]":
            open_brackets.pop()
        elif word == ",":
            keys, place = open_brackets[-1]
            if keys is None:
                place[0] += 1
        else:
            last = word
    return found


def _plain(quoted: str) -> str:
    """A key as it is read: `"a"` and `"\\u0061"` are the same."""
    if "\\" not in quoted:
        return quoted[1:-1]
    import json

    return str(json.loads(quoted, strict=False))


def _path(open_brackets: list[tuple[dict[str, int] | None, list[Any]]]) -> str:
    path = ""
    for keys, place in open_brackets:
        path += f"[{place[0]}]" if keys is None else f".{place[0]}" if path else str(place[0])
    return path
