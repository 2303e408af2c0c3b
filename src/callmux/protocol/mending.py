"""What is nearly JSON, made JSON: what other JSON readers accept and msgspec does not. Pure.

Called by `callmux.protocol.jsonrpc` for messages that msgspec refused. Lone surrogates (Node prints them for
an emoji that was cut in two) become U+FFFD, NaN and infinities null, as JavaScript writes them.
"""

from __future__ import annotations

import math
import re
from typing import Any

from callmux.patterns import late

BOM = b"\xef\xbb\xbf"
"""What some programs put before a text in UTF-8."""

MOST = 10_000
"""Places of each kind that are mended in one text: one with more of them stays as it is."""

_HALF = rb"u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR = rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
# Both take all that is right before the next wrong place, or before the end, in one step and without a stack:
# one pass over any text.
_SURROGATE = late(
    rb"((?:[^\\]++|\\%b|\\(?!%b).)*+)(?:\\(%b)|\\?\Z)" % (_PAIR, _HALF, _HALF),
    re.DOTALL,
)
_NUMBER = late(
    rb'((?:"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[^"NI-]++|-(?!Infinity)|N(?!aN)|I(?!nfinity))*+)(-?Infinity|NaN|\Z)',
    re.DOTALL,
)


def mended(text: bytes) -> bytes:
    """`text` with what msgspec refuses replaced; digits and everything else stay as they are."""
    # What is UTF-8 stays; a surrogate written in bytes is none.
    text = text.decode("utf-8", "replace").encode()
    if b"\\ud" in text or b"\\uD" in text:
        text = _SURROGATE().sub(lambda m: m[1] + b"\\ufffd" if m[2] else m[0], text, MOST)
    if b"NaN" in text or b"Infinity" in text:
        text = _NUMBER().sub(lambda m: m[1] + b"null" if m[2] else m[0], text, MOST)
    return text


def read_leniently(text: bytes) -> Any:
    """What the standard library reads, which takes more than msgspec does.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It is nested too deeply.
    """
    # Few messages need this.
    import json

    return json.loads(text.decode("utf-8", "replace"))


def clean(value: Any) -> Any:
    """The same for a decoded value."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [clean(v) for v in value]
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items()}
    return value
