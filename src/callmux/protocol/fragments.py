"""What can still be told of a message that no reader takes: its id, and whether it is an answer. Pure.

Called by `callmux.protocol.jsonrpc`, so that nobody waits for what cannot be read.
"""

from __future__ import annotations

import re

import msgspec

from callmux.patterns import late

# Possessive, and with an end for a string that is cut off: one pass over any line, without a stack.
_TOKEN = late(
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}:,]|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[a-z]+',
    re.DOTALL,
)


def found_in(line: bytes) -> tuple[int | str | None, bool]:
    """The id in a message, by its tokens at the top level, and whether it looks like an answer.

    Args:
        line: The message or its head. Whatever it is, this takes time in proportion to its length.
    """
    given: int | str | None = None
    is_response = True
    depth, key, expecting = 0, b"", False
    for match in _TOKEN().finditer(line):
        token = match.group()
        if token in (b"{", b"["):
            depth += 1
            expecting = False
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == 1:
            if token == b":":
                expecting = True
            elif token == b",":
                expecting = False
            elif expecting and key == b'"id"':
                # A number at the very end may be the beginning of a longer one: somebody else's id.
                given = _read_id(token) if match.end() < len(line) else None
            elif not expecting:
                key = token
                is_response = is_response and token != b'"method"'
    return given, is_response


def _read_id(token: bytes) -> int | str | None:
    try:
        return msgspec.json.decode(token, type=int | str)
    except (msgspec.MsgspecError, ValueError):
        return None
