"""Whether bytes are UTF-8, without a second copy of them. Pure.

Called by `callmux.protocol.jsonrpc` for each message and by `.lines` for long lines while they come.
"""

from __future__ import annotations

import codecs

PIECE = 64 * 1024
"""Bytes that are decoded at once: a text of this size stays in the processor's cache (50 MB with a few
characters beyond ASCII: 20 ms in such pieces, 62 to 97 ms in one)."""


class Utf8Check:
    """Checks a stream chunk by chunk; a character may be cut between two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._failed = False

    def feed(self, data: bytes) -> None:
        """Takes the next chunk."""
        if self._failed:
            return
        view = memoryview(data)
        try:
            for start in range(0, len(data), PIECE):
                self._decoder.decode(view[start : start + PIECE])
        except UnicodeDecodeError:
            self._failed = True

    def passed(self) -> bool:
        """Whether all chunks were UTF-8, the last character being whole."""
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return not self._failed


def is_utf8(data: bytes) -> bool:
    """Whether `data` is UTF-8. What reads each message asks `data.isascii()` first: that spares most messages
    this function."""
    if data.isascii():
        return True
    if len(data) <= PIECE:
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return True
    check = Utf8Check()
    check.feed(data)
    return check.passed()
