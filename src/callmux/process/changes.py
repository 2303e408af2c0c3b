"""Tells each session whose lists are no longer what it was given, once for each change and kind.

Called by `callmux.process.host` when a server lists something else and after a reload.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from callmux.errors import AuthorizationDenied
from callmux.process.entitlements import Entitlements
from callmux.process.runtime import Runtime
from callmux.router.listing import View
from callmux.session.dispatch import REFUSED
from callmux.session.session import Session

if TYPE_CHECKING:
    from callmux.guard.rights import Rights

_NOTES = {
    "tools": "notifications/tools/list_changed",
    "prompts": "notifications/prompts/list_changed",
    "resources": "notifications/resources/list_changed",
    "resourceTemplates": "notifications/resources/list_changed",
}


def tell_changes(runtime: Runtime, entitlements: Entitlements, sessions: Iterable[Session]) -> None:
    """Tells those of the sessions that have been given lists which are others now.

    Args:
        runtime: What is in force.
        entitlements: What each may use.
    """
    lists: dict[View | tuple[str, Rights | None], bytes] = {}
    for session in sessions:
        if not session.is_ready:
            continue
        changed = set()
        for kind, seen in session.seen.items():
            view = _view(runtime, entitlements, session, kind)
            if view not in lists:
                lists[view] = _current(runtime, view)
            if seen != lists[view]:
                session.seen[kind] = lists[view]
                changed.add(_NOTES[kind])
        for method in sorted(changed):
            session.notify(method, None)


def _view(
    runtime: Runtime, entitlements: Entitlements, session: Session, kind: str
) -> View | tuple[str, Rights | None]:
    """What a session is shown of a kind, as something that is equal for all who are shown the same."""
    rights = entitlements.rights_of(session)
    if kind == "tools":
        return runtime.lists.view(session.kind, session.facts.client_name, rights)
    return kind, rights


def _current(runtime: Runtime, view: View | tuple[str, Rights | None]) -> bytes:
    """The list as it would be now; `REFUSED` where its reader may see nothing of it."""
    try:
        if isinstance(view, View):
            return runtime.lists.current_listing(view)
        return runtime.offers.current(*view)
    except AuthorizationDenied:
        return REFUSED


def listed_now(runtime: Runtime, entitlements: Entitlements, session: Session, kind: str) -> bytes:
    """A list as a session would be given it now."""
    return _current(runtime, _view(runtime, entitlements, session, kind))
