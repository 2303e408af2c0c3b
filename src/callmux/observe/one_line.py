"""JSON that stays one line wherever it is read. Pure.

Called by `callmux.observe.audit_lines` and `callmux.cli.own_log`.
"""

from __future__ import annotations

import re

_UNSPEAKABLE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that JSON need not escape and that end a line, move the cursor or turn a text round."""


def one_line(json: bytes) -> bytes:
    """The same JSON, with a line end, and with none of these characters in it."""
    if json.isascii() and b"\x7f" not in json:
        return json + b"\n"
    text = _UNSPEAKABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.decode())
    return text.encode() + b"\n"
