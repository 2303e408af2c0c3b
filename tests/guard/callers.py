"""Requests as the checks of the gate see them."""

from __future__ import annotations

from callmux.guard.gate import Gate
from callmux.guard.grant import Grant
from callmux.guard.principal import Principal


class FakeCaller:
    """A request."""

    def __init__(self, path: str = "/mcp", method: str = "POST", **headers: str) -> None:
        self.scheme, self.method, self.path = "http", method, path
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.peer: str | None = "127.0.0.1"
        self.request_id = "rid"
        self.principal: Principal | None = None
        self.grant: Grant | None = None
        self.seen_host: str | None = None


async def enter(gate: Gate, caller: FakeCaller) -> None:
    """Passes the gate, and waits where it must."""
    waiting = gate.enter(caller)
    if waiting is not None:
        await waiting
