"""Numbers in text: the JSON number that a text says. Pure.

Called where text becomes arguments (`callmux.rings.coercion`) and by the reader of YAML.
"""

from __future__ import annotations

import math
import re

_JS_BLANK = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_DIGITS = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_LARGEST_PRINTED = 1e21
"""From here on whole numbers are written with an exponent."""


def number_in(text: str, *, whole: bool = False) -> str | None:
    """The JSON number that `text` says by the grammar of JavaScript's `Number`; None where it says none.

    Whole numbers are exact, whatever their size; a number beyond a double's range is none.

    Args:
        text: The text.
        whole: Whether only a whole number will do.
    """
    text = text.strip(_JS_BLANK)
    if _RADIX.fullmatch(text):
        value = int(text, 0)
        return str(value) if value < 1 << 1023 else None
    if not _DECIMAL.fullmatch(text):
        return None
    value_seen = float(text)
    if not math.isfinite(value_seen):
        return None
    if _DIGITS.fullmatch(text):
        # More digits than Python converts are mostly zeros in front: the value is finite.
        sign = "-" if text[0] == "-" else ""
        digits = text.lstrip("+-").lstrip("0")
        return sign + digits if digits else "0"
    if value_seen.is_integer():
        if abs(value_seen) < _LARGEST_PRINTED:
            return str(int(value_seen))
    elif whole:
        return None
    return text if _JSON_NUMBER.fullmatch(text) else repr(value_seen)
