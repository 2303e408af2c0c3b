"""What the commands share: printing text and JSON.

Called by the other modules of `callmux.cli`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


def pretty_json(value: object) -> str:
    """JSON with two blanks of indentation, as everything we print or write."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def print_json(value: object) -> None:
    print(pretty_json(value))


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def labelled(pairs: Mapping[str, Any], indent: str = "  ") -> list[str]:
    """`key: value` lines; what is None is left out, lists are joined."""
    return [
        f"{indent}{key}: {', '.join(value) or '(none)' if isinstance(value, list | tuple) else value}"
        for key, value in pairs.items()
        if value is not None
    ]
