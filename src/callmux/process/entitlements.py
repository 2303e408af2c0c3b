"""Who the client of a session is, and what it may use under the configuration in force.

Held by `callmux.process.host`; asked by `callmux.session.dispatch` for lists and tasks, by the transports
when a session begins, and before a subscription's update goes out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from callmux.process.runtime import Runtime
from callmux.session.session import Session
from callmux.upstream.resources import Place

if TYPE_CHECKING:
    from callmux.guard.principal import Principal
    from callmux.guard.rights import Rights


class Entitlements:
    """The entitlements of every session's client.

    Args:
        current: Gives the runtime in force.
    """

    def __init__(self, current: Callable[[], Runtime]) -> None:
        self._current = current

    def introduce(self, session: Session) -> None:
        """Says of the client on stdio who it is, where rules apply to it."""
        runtime, facts = self._current(), session.facts
        name = runtime.config.stdio_principal
        facts.principal = None
        if name is not None and runtime.oversight is not None:
            from callmux.guard.principal import Principal

            facts.principal = Principal(kind="stdio", id=name)
        facts.profile = self.chosen("", facts.principal, os.getcwd())

    def chosen(self, asked: str, principal: Principal | None, directory: str | None) -> str:
        """The profile of a session that begins; empty for none.

        Args:
            asked: The one it asks for by name; empty for none.
            directory: Where its client works; None where nobody knows.
        """
        runtime = self._current()
        oversight, default = runtime.oversight, runtime.config.profile
        if asked or default or oversight is None:
            return asked or default or ""
        return oversight.permissions.profiles.for_directory(directory, principal)

    def may_choose(self, profile: str, principal: Principal | None) -> bool:
        """Whether somebody may ask for a profile by its name."""
        oversight = self._current().oversight
        return oversight is not None and oversight.permissions.profiles.may_choose(profile, principal)

    def rights_of(self, session: Session) -> Rights | None:
        """What the client of a session may use; None where all may use everything."""
        return self._current().lists.rights_of(session.facts.principal, session.facts.profile)

    def may_call(self, session: Session, server: str, tool: str) -> bool:
        """Whether it may call a tool, by its server's key and its own name."""
        oversight, about = self._current().oversight, session.facts
        return oversight is None or oversight.may_call(about.principal, about.profile, server, tool)

    def may_read(self, session: Session, place: Place) -> bool:
        """Whether it may read a resource."""
        oversight, about = self._current().oversight, session.facts
        return oversight is None or oversight.may_read(about.principal, about.profile, place)

    def may_tell(self, session: Session, server: str, method: str) -> bool:
        """Whether a server gets its notification."""
        oversight, about = self._current().oversight, session.facts
        return oversight is None or oversight.may_tell(about.principal, about.profile, server, method)

    def servers_of(self, session: Session) -> Collection[str]:
        """The servers that it may know of."""
        runtime, about = self._current(), session.facts
        if runtime.oversight is None:
            return runtime.servers.keys()
        return runtime.oversight.seen_by(about.principal, about.profile)
