"""What a page of a kept result is asked for by. Pure.

Read by `callmux.metatools.get_result`, answered by `callmux.rings.shield.query`.
"""

from __future__ import annotations

import msgspec


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        path: Where in the data; empty for all of it.
        offset: Items, or characters, to leave out; None where nothing is said of them.
        limit: Items; a text has 200 characters for each. None for the usual number.
        fields: Keys to keep of each item; empty for all.
        search: Only items, lines or members that contain this, whatever its case.
    """

    path: str = ""
    offset: int | None = None
    limit: int | None = None
    fields: tuple[str, ...] = ()
    search: str = ""
