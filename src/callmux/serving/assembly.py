"""A listener, wired: the host, what guards it, the sessions, the pages and the HTTP application.

Called by `callmux.cli.listen` and `callmux.library.listener`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from callmux.admin.pages import Pages
from callmux.admin.probes import probe_routes
from callmux.admin.sessions import session_facts
from callmux.clock import Clock
from callmux.config.model import Config
from callmux.errors import CallmuxError
from callmux.guard.guard import Guard
from callmux.guard.principal import Principal
from callmux.observe.facts import Configured
from callmux.observe.gauges import Gauges
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.serving.reading import ConfigReader
from callmux.serving.sharing import share_sessions
from callmux.serving.trees import Trees
from callmux.transport.http.app import App
from callmux.transport.http.intake import BodyLimits
from callmux.transport.http.listener import Listener
from callmux.transport.http.web_session import WebSession

if TYPE_CHECKING:
    from callmux.process.shared_state import SharedState

log = logging.getLogger(__name__)


def assemble(
    host: Host,
    guard: Guard,
    observers: Observers,
    reading: ConfigReader,
    key: bytes,
    clock: Clock,
    *,
    loopback: bool,
    configured: Callable[[Config], None] = lambda config: None,
    shared: SharedState | None = None,
) -> tuple[Listener, App, Trees]:
    """The sessions, the application and the trees of pages of a listener. All of it follows reloads.

    Args:
        host: Runs the servers.
        guard: Makes the gate of each configuration.
        observers: Who hears what happens.
        reading: Reads configurations.
        key: Seals session ids.
        clock: Time.
        loopback: Whether it listens on this machine only.
        configured: Told of each configuration that takes effect.
        shared: What it shares with other listeners; None where it has everything for itself.
    """
    config = host.runtime.config
    limits, replay = BodyLimits(config, host.addressed), None if shared is None else shared.replay
    listener = Listener(config, limits, host.dispatch, _Sessions(host), key, clock, replay)
    listener.gate = guard.gate(config)
    if shared is not None:
        share_sessions(shared, listener, host, key, clock)
    used = host.dispatch.consumption

    def gauges() -> Gauges:
        now = host.runtime.gauges(app.in_flight, len(listener.table), observers.keeping())
        now.usage = used.total(host.sessions)
        if shared is not None:
            now.state = shared.connection.is_up, shared.connection.failures
        if listener.nodes is not None:
            now.node = listener.nodes.facts()
        return now

    pages = Pages(
        probe_routes(
            listener.table,
            host.readiness,
            host.full_status,
            None if shared is None else lambda: shared.connection.is_up,
        ),
        lambda: observers.totals,
        gauges,
    )
    overlay = None if shared is None else shared.overlay
    trees = Trees(host, reading, clock, observers, listener.is_let_in, lambda: guard.visitors, overlay)

    state = config.state

    def take_effect(new: Configured) -> None:
        nonlocal state
        if new.config.state != state:
            state = new.config.state
            log.warning("state is another one in the configuration: it takes effect with the next start")
        reading.take_effect(new.config)
        listener.configure(new.config, BodyLimits(new.config, host.addressed))
        listener.gate = guard.gate(new.config)
        pages.configure(new.config)
        trees.configure(new.config)
        configured(new.config)

    pages.configure(config)
    trees.configure(config)
    host.bus.subscribe(Configured, take_effect)
    host.diagnostics = lambda: {
        **session_facts(listener),
        "usage": used.shown(host.sessions),
        **_problems(observers),
        **({} if shared is None else {"state": shared.facts()}),
        **({} if listener.nodes is None else {"cluster": listener.nodes.facts()}),
    }
    app = App(listener, pages, loopback, host.bus, trees=trees)
    return listener, app, trees


def _problems(observers: Observers) -> dict[str, Any]:
    """What status shows of files that cannot be written; nothing while all can."""
    from callmux.observe.keeping import problems_of

    found = problems_of(observers.keeping())
    return {"problems": found} if found else {}


class _Sessions:
    """What the host hears of sessions."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def begun(self, seat: WebSession) -> None:
        self._host.add(seat.session, seat.kind, seat.shown_id)

    def profile(self, asked: str, principal: Principal | None, directory: str | None) -> str | None:
        entitlements = self._host.entitlements
        if asked and not entitlements.may_choose(asked, principal):
            return None
        return entitlements.chosen(asked, principal, directory)

    async def ended(self, seat: WebSession) -> None:
        await self._host.remove(seat.session)

    def hang_up(self) -> None:
        self._host.dispatch.hang_up()

    def definition(self, tool: str) -> bytes | None:
        names = self._host.runtime.names
        # Nearly always: it was called before.
        if (route := names.direct.get(tool)) is None:
            try:
                route = names.find(tool)
            except CallmuxError:
                return None
        return None if route.tool is None else route.tool.raw
