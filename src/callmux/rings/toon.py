"""TOON in place of JSON, and when it pays. Pure.

Called by `callmux.rings.formatting`. The encoder is imported when the first TOON is asked for. Whatever TOON
cannot say exactly stays JSON, and `auto` takes it only where it saves bytes and tokens against compact JSON.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

SMALLEST = 512
"""Bytes of JSON below which `auto` does not try: there is nothing to gain."""
LARGEST = 8 * 1024 * 1024
"""Bytes of JSON above which nothing is rendered: the loop would stand still for a tenth of a second."""
WORTHWHILE = 0.85
"""The part of the JSON's bytes that TOON may take at most, in `auto`."""
IN_TABLES = 0.6
"""The part of the JSON's bytes that must stand in tables, in `auto`: TOON saves only there."""
DEEPEST = 64
"""Levels that are rendered: each costs TOON two more spaces in every line."""
TABLE_LEVELS = 2
"""Keys on the way to a table that `auto` looks for."""


class _Inexact(Exception):
    """A number whose digits a float does not keep."""


def _exact(digits: str) -> float:
    number = float(digits)
    if repr(number) != digits and Decimal(repr(number)) != Decimal(digits):
        raise _Inexact
    return number


_DECODE = msgspec.json.Decoder(float_hook=_exact).decode
_ENCODE = msgspec.json.Encoder().encode


def render(value: Raw | bytes) -> str | None:
    """JSON as TOON; None where TOON cannot say the same."""
    if len(memoryview(value)) > LARGEST:
        return None
    decoded = _read(value)
    return None if decoded is None else _write(decoded[0])


def render_if_shorter(value: Raw | bytes) -> str | None:
    """JSON as TOON where that costs clearly less; None elsewhere."""
    size = len(memoryview(value))
    if not SMALLEST <= size <= LARGEST:
        return None
    decoded = _read(value)
    if decoded is None or _in_tables(decoded[0], TABLE_LEVELS) < size * IN_TABLES:
        return None
    text = _write(decoded[0])
    return text if text is not None and len(text.encode()) <= size * WORTHWHILE else None


def _read(value: Raw | bytes) -> tuple[Any] | None:
    try:
        decoded = _DECODE(value)
    except (_Inexact, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (decoded,) if _is_flat(decoded, DEEPEST) else None


def _write(value: Any) -> str | None:
    import toons

    try:
        return toons.dumps(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _is_flat(value: Any, levels: int) -> bool:
    """Whether `value` is nested no deeper than `levels`."""
    if not isinstance(value, dict | list):
        return True
    if levels == 0:
        return False
    inner = value.values() if isinstance(value, dict) else value
    return all(_is_flat(item, levels - 1) for item in inner if isinstance(item, dict | list))


def _in_tables(value: Any, levels: int) -> int:
    """Bytes of JSON in lists of objects that TOON writes as tables, at most so many keys down."""
    if isinstance(value, list):
        return len(_ENCODE(value)) if _is_table(value) else 0
    if not isinstance(value, dict) or levels == 0:
        return 0
    return sum(_in_tables(item, levels - 1) for item in value.values())


def _is_table(rows: list[Any]) -> bool:
    first = rows[0] if rows else None
    # In a table of one column the line breaks cost as many tokens as the repeated key.
    if not isinstance(first, dict) or len(first) < 2:
        return False
    return all(
        isinstance(row, dict)
        and row.keys() == first.keys()
        and not any(isinstance(cell, dict | list) for cell in row.values())
        for row in rows
    )
