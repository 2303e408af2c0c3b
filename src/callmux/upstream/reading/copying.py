"""Copies of large results that leave others their turns.

Called by `callmux.upstream.connection`: a result must not pin the line it came in, and
a copy of 50 MB takes 20 ms.
"""

from __future__ import annotations

import asyncio
from io import BytesIO

from msgspec import Raw

LARGE = 4 * 1024 * 1024
"""Bytes from which a result is copied in pieces."""
PIECE = 1024 * 1024
"""Bytes that are copied between two turns of the loop."""
NULL = b"null"
"""What some servers write for "nothing to say"."""


async def copied(result: Raw) -> bytes:
    """The bytes of `result` in memory of their own."""
    view = memoryview(result)
    copy = BytesIO()
    for start in range(0, view.nbytes, PIECE):
        copy.write(view[start : start + PIECE])
        await asyncio.sleep(0)
    return copy.getvalue()


def own_copy(result: Raw) -> bytes:
    """The bytes of a small result. Some servers write null for "nothing to say"; clients take nothing but an
    object."""
    raw = bytes(result)
    return b"{}" if raw == NULL else raw
