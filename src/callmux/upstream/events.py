"""Who hears what a server does by itself.

Made by `callmux.upstream.pool` for each `callmux.upstream.server`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from callmux.context import ClientPort

if TYPE_CHECKING:
    from callmux.upstream.server import Server


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears what a server does by itself. Each takes the server first.

    Attributes:
        changed: What it lists has changed: tools, or a kind of `callmux.upstream.offer`.
        told: A notification that is no list change: method, params, and the client it is for, where one is.
    """

    changed: Callable[[Server], None]
    told: Callable[[Server, str, Raw | None, ClientPort | None], None]
