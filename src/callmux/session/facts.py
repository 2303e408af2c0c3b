"""What is known of a client beside its messages. Pure.

Kept by `callmux.session.session`; filled by the HTTP transport and by `callmux.session.cwd`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw


class Facts:
    """What a client's HTTP requests and its roots say of it.

    Attributes:
        cwd: The directory it works in, absolute; None where unknown.
        cwd_source: Where that was said: `header`, `meta` or `roots`.
        client_name: The name in its `clientInfo`.
        client_kind: `stdio-bridge` or `cli`, where it is one of ours.
        headers: Headers of its latest request that servers may want, by lower-case name.
        roots_asked: It was asked for its roots.
    """

    __slots__ = ("client_kind", "client_name", "cwd", "cwd_source", "headers", "roots_asked")

    def __init__(self) -> None:
        self.cwd: str | None = None
        self.cwd_source: str | None = None
        self.client_name: str | None = None
        self.client_kind: str | None = None
        self.headers: dict[str, str] = {}
        self.roots_asked = False


def canonical(capabilities: dict[str, Raw]) -> bytes:
    """What a client declared, in one spelling: keys sorted at every level."""
    plain = {key: msgspec.json.decode(value) for key, value in capabilities.items()}
    return msgspec.json.encode(plain, order="deterministic")
