"""What a listener shares with others, where the configuration has `state`; nothing is imported otherwise.

`shared_by`, `node_of` and `keep_comparing` are called by `callmux.cli.listen` and `callmux.library.listener`,
`share_sessions` by `callmux.serving.assembly`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.observe.facts import Configured
from callmux.process.host import Host
from callmux.serving.reading import ConfigReader

if TYPE_CHECKING:
    from callmux.process.shared_state import SharedState
    from callmux.serving.clustering import Clustered
    from callmux.transport.http.app import App
    from callmux.transport.http.listener import Listener

log = logging.getLogger(__name__)

COMPARED_SECONDS = 5.0
"""How often configurations are compared, and secrets; and how often ends of sessions are heard of."""


async def shared_by(config: Config, base_dir: Path, env: Mapping[str, str]) -> SharedState | None:
    """What a configuration says is shared; None where nothing is.

    Args:
        base_dir: What relative paths start from.
        env: The variables there are.

    Raises:
        ConfigError: It cannot be used as it is.
    """
    if config.state is None:
        return None
    from callmux.process.shared_state import open_shared_state

    return await open_shared_state(config.state, base_dir, env)


def share_sessions(shared: SharedState, listener: Listener, host: Host, key: bytes, clock: Clock) -> None:
    """Other listeners go on with these sessions, and this one with theirs.

    Args:
        key: Seals their ids.
    """
    from callmux.transport.http.shared_sessions import SharedSessions

    sessions = SharedSessions(shared.sessions, key, clock.wall, host.subscriptions.of, listener.table)
    listener.shared = sessions
    listener.configure(host.runtime.config, listener.limits)
    host.dispatch.changed = sessions.changed
    shared.connection.when_returned(sessions.returned)
    shared.hear = sessions.hear


async def node_of(
    shared: SharedState | None,
    listener: Listener,
    app: App,
    host: Host,
    base_dir: Path,
    env: Mapping[str, str],
) -> Clustered | None:
    """The listener as one of several nodes, which it is from now on; None where the configuration does not
    ask for that.

    Args:
        base_dir: What relative paths start from.
        env: The variables there are.

    Raises:
        CallmuxError: It cannot be used as it is, or its port is taken.
    """
    if shared is None or shared.config.node is None:
        return None
    from callmux.serving.clustering import clustered

    node = await clustered(shared.config.node, shared, listener, app, host, base_dir, env)
    async with AsyncExitStack() as ends:
        ends.push_async_callback(node.close)
        await node.start()
        ends.pop_all()
    return node


async def keep_comparing(shared: SharedState, host: Host, reading: ConfigReader) -> None:
    """Tells the other listeners which configuration is in force here, and hears of theirs, for as long as it
    runs."""

    def take_effect(new: Configured) -> None:
        if new.config.state != shared.config:
            log.warning("state has changed in the configuration: that takes effect with the next start")
        shared.configuration.takes_effect(_compared(reading.document(new.config)))

    shared.configuration.takes_effect(_compared(reading.document(host.runtime.config)))
    end = host.bus.subscribe(Configured, take_effect)
    try:
        while True:
            if shared.hear is not None:
                await shared.hear()
            await shared.keep_company()
            await shared.configuration.look()
            await asyncio.sleep(COMPARED_SECONDS)
    finally:
        end()


def _compared(document: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same at all listeners: where a node is, and what it is called, is its own."""
    state = document.get("state")
    if not isinstance(state, Mapping) or not isinstance(node := state.get("node"), Mapping):
        return dict(document)
    return {**document, "state": {**state, "node": {"tls": "tls" in node}}}
