"""Who hears what a server does by itself.

Made by `callmux.upstream.pool` for each `callmux.upstream.server`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.observe.bus import Bus


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears what one server does by itself.

    Attributes:
        changed: What it lists has changed: tools, or a kind of `callmux.upstream.inventory.offer`.
        told: A notification that is no list change: method, params, and the client it is for, where one is.
        bus: Who hears how it is doing.
    """

    changed: Callable[[], None]
    told: Callable[[str, Raw | None, ClientPort | None], None]
    bus: Bus = msgspec.field(default_factory=Bus)
