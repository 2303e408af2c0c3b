"""Lets the user of this machine into the dashboard of a running listener: an address that is good once.

Called by `callmux.cli.listen`, which hands it to what answers the command `callmux dashboard`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.guard.gate import route_of
from callmux.guard.guard import Guard
from callmux.guard.principal import OPERATOR, Principal

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""Where a listener on all addresses is found on this machine."""
UNKNOWN = "user"


def invited(
    guard: Guard, config: Config, base: str, env: Mapping[str, str], clock: Clock, *, person: bool
) -> dict[str, Any]:
    """The address of the dashboard and a code for it; the address alone where there is no dashboard.

    Args:
        base: The address of the listener.
        env: The environment: who runs it.
        person: Whether whoever asks is at a terminal.
    """
    if guard.visitors is None:
        return {"listening": True, "url": base}
    operator = Principal(kind=OPERATOR, id=env.get("USER") or env.get("LOGNAME") or UNKNOWN)
    code = guard.visitors.browsers.new_code(operator, clock.monotonic(), person=person)
    path = route_of(config.dashboard.path).rstrip("/")
    return {"listening": True, "url": base, "path": path, "code": code}


def address_of(scheme: str, host: str, port: int) -> str:
    """The address of a listener for a browser on this machine."""
    name = EVERYWHERE.get(host, host)
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}"
