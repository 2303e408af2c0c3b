"""The sessions of a listener as the dashboard lists them.

Called by `callmux.dashboard.views`.
"""

from __future__ import annotations

from typing import Any

from callmux.clock import Clock
from callmux.observe.wording import said
from callmux.process.host import Host
from callmux.timestamps import iso

LONGEST = 300
"""Characters of what a client wrote."""


def sessions(host: Host, clock: Clock) -> dict[str, Any]:
    """Every session: whose it is, since when, and how many requests of it run."""
    now, wall = clock.monotonic(), clock.wall()
    found = []
    for session, (began, transport, shown_id) in list(host.sessions.items()):
        facts = session.facts
        told = {
            "client": facts.client_name,
            "revision": session.version,
            "directory": facts.cwd,
            "directorySource": facts.cwd_source,
            "clientKind": facts.client_kind,
            "principal": None if facts.principal is None else facts.principal.label,
            "profile": facts.profile or None,
        }
        found.append(
            {
                "id": shown_id,
                "transport": transport,
                "startedAt": iso(wall - (now - began)),
                "active": len(session.requests),
                **{key: said(value, LONGEST) for key, value in told.items() if value is not None},
            }
        )
    return {"sessions": found}
