"""What lives as long as the process: the pool, the sessions, and the current runtime.

Called by the run modes of `callmux.cli`. A reload builds a whole new runtime, swaps it in, and lets the
old one's servers drain; sessions never notice but for list changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from callmux import __version__
from callmux.clock import Clock
from callmux.config.model import Config
from callmux.errors import StartupFailed
from callmux.router.router import Router
from callmux.runtime import Runtime
from callmux.session.dispatch import Dispatch
from callmux.session.session import Session
from callmux.upstream.guardian import Guardian
from callmux.upstream.links.opening import Surroundings
from callmux.upstream.pool import Pool
from callmux.upstream.server import Server

log = logging.getLogger(__name__)


def startup_failed(servers: list[Server]) -> StartupFailed:
    """What `strictStartup` makes of servers that are not connected."""
    reasons = "; ".join(f"{server.name}: {server.error}" for server in servers)
    return StartupFailed(f"downstream startup failed: {reasons}")


class Host:
    """One callmux process.

    Args:
        config: The configuration to begin with.
        base_dir: Where relative `file:` references start.
        env: The environment.
        show: Takes a server's name and a line it wrote to stderr.
    """

    def __init__(
        self,
        config: Config,
        base_dir: Path,
        env: dict[str, str],
        show: Callable[[str, str], None],
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._namespace = env.get("CALLMUX_NAMESPACE") or None
        around = Surroundings(env=env, base_dir=base_dir, guardian=Guardian(), show=show)
        self._pool = Pool(around, {"name": "callmux", "version": __version__}, self._clock)
        self._pool.changed = self._changed
        self._sessions: set[Session] = set()
        self._started = False
        self.runtime = Runtime(config, self._pool, self._namespace, self._clock)
        self.dispatch = Dispatch(self._router, self.start)

    def _router(self) -> Router:
        return self.runtime.router

    def start(self) -> None:
        """Begins to connect all servers; again without effect."""
        if not self._started:
            self._started = True
            self.runtime.start()

    def add(self, session: Session) -> None:
        """This session is told of list changes from now on."""
        self._sessions.add(session)

    def remove(self, session: Session) -> None:
        self._sessions.discard(session)

    async def reload(self, config: Config) -> None:
        """Swaps to `config`. Servers whose connection settings are unchanged stay connected.

        Raises:
            StartupFailed: With `strictStartup`, a server of the new configuration could not be started. Nothing
                changed: the old one goes on.
        """
        old = self.runtime
        new = Runtime(config, self._pool, self._namespace, self._clock)
        if self._started:
            new.start()
            await new.settled()
            if config.strict_startup and (failed := new.failed()):
                self._pool.retain(old.servers.values(), 0)
                raise startup_failed(failed)
        self.runtime = new
        self._pool.retain(new.servers.values(), old.drain_seconds())
        self._tell_changes()

    async def close(self) -> None:
        """Ends sessions and servers."""
        for session in list(self._sessions):
            await session.close()
        await self._pool.close()

    def _changed(self, server: Server) -> None:
        runtime = self.runtime
        runtime.forget_catalogue()
        self._tell_changes()

    def _tell_changes(self) -> None:
        """Tells every session whose view of the tools is no longer true, once for each change."""
        shown: bytes | None = None
        for session in self._sessions:
            if session.tools_seen is not None and session.is_ready:
                shown = shown or self.runtime.router.current_listing()
                if shown != session.tools_seen:
                    session.tools_seen = shown
                    session.notify("notifications/tools/list_changed", None)
