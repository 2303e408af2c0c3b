"""What status shows of a listener's sessions.

Called by `callmux.serving.assembly`, which hands it to the host.
"""

from __future__ import annotations

from typing import Any

from callmux.session.table import shown as shown_id
from callmux.transport.http.listener import Listener


def session_facts(listener: Listener) -> dict[str, Any]:
    """How many sessions there are, and each of them."""
    sessions = []
    for seat in sorted(listener.table, key=lambda seat: seat.id):
        facts = seat.session.facts
        shown: dict[str, Any] = {"id": shown_id(seat.id), "transport": seat.kind}
        told = {
            "cwd": facts.cwd,
            "cwdSource": facts.cwd_source,
            "clientKind": facts.client_kind,
            "client": facts.client_name,
        }
        shown.update({key: value for key, value in told.items() if value is not None})
        shown["clientRoots"] = b'"roots"' in seat.session.capabilities
        shown["rootsAttempted"] = facts.roots_asked
        sessions.append(shown)
    return {"activeSessions": len(sessions), "sessions": sessions}
