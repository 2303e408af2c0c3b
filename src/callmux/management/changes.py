"""Changes servers while callmux runs: one change after another, each as a whole or not at all.

Made by `callmux.serving.trees` where the configuration has a management interface; called by
`callmux.management.api`. A change is read together with the configuration file, its servers are started, it
is saved, and only then it takes effect: whatever fails before that leaves all as it was.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from callmux.aside import aside
from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.config.load import saved_overlay
from callmux.config.model import Config
from callmux.config.overlay import Overlay, read_overlay
from callmux.config.sources import Sources
from callmux.errors import CallmuxError, ConfigError, ServerDisabled, ServerNotFound, StoreUnavailable
from callmux.management.shown import shown_document, shown_entry
from callmux.observe.facts import Reloaded, ServersManaged
from callmux.private_files import write_private
from callmux.process.host import Host
from callmux.process.orders import give
from callmux.server_orders import ServerOrder
from callmux.serving.reading import ConfigReader
from callmux.timestamps import iso

log = logging.getLogger(__name__)

SAVE_SECONDS = 10.0
"""How long writing the changes may take: they may be on a drive that does not answer."""
FOLLOW_SECONDS = 2.0
"""How often it is looked whether another listener has changed something."""
START_SECONDS = 10.0
"""How long whoever looks waits for servers that are still starting."""
DONE = {"add_server": "added", "patch_server": "updated", "delete_server": "deleted"}
DOING = {"restart": "restarting", "stop": "stopping", "start": "starting"}

Make = Callable[[dict[str, Any] | None], dict[str, Any] | None]


class NotSaved(CallmuxError):
    """A change that could not be kept, and so was not made."""

    code = "change_not_kept"


class SharedChanges(Protocol):
    """The changes of all listeners. Every method raises `StoreUnavailable` where nobody answers."""

    async def read(self) -> tuple[int, bytes]:
        """The number of the last change, and the text of all of them; 0 and empty for none."""

    async def version(self) -> int:
        """That number alone."""

    async def write(self, text: bytes, after: int) -> int:
        """Keeps all changes; gives the new number, or 0 where another listener was faster.

        Args:
            after: The number of the change that this one comes after.
        """


class Changes:
    """The changes of one process.

    Args:
        host: Runs the servers.
        reading: Reads configurations.
        clock: Time.
        shared: Those of all listeners; None where there is only this one.
    """

    def __init__(
        self, host: Host, reading: ConfigReader, clock: Clock, shared: SharedChanges | None = None
    ) -> None:
        self._shared = shared
        self._version = 0
        self._host = host
        self._reading = reading
        self._clock = clock
        self._known: Overlay | None = None

    @property
    def config(self) -> Config:
        return self._host.runtime.config

    def _state(self) -> Path | None:
        path = self.config.management.state_path
        return None if path is None else Path(path)

    def overlay(self) -> Overlay:
        """The changes that are kept, as they were read or saved last."""
        if self._known is None:
            self._known = self._saved()
        return self._known

    def take_over(self, overlay: Overlay) -> None:
        """Goes on with the changes of an earlier listener of this program, where no file keeps them."""
        if self._state() is None:
            self._known = overlay

    def _saved(self) -> Overlay:
        state = self._state()
        if state is None:
            return self._known or Overlay()
        return saved_overlay(state)

    def effective(self) -> dict[str, Any]:
        """The configuration in force, without secrets."""
        return shown_document(self._document())

    def entries(self) -> dict[str, Any]:
        """The servers' entries as they are written."""
        document = self._document()
        found = document.get("servers") or document.get("mcpServers")
        return found if isinstance(found, dict) else {}

    def _document(self) -> dict[str, Any]:
        return self._reading.document(self.config)

    def about(self) -> dict[str, Any]:
        """What the interface says of itself."""
        settings, state = self.config.management, self._state()
        facts: dict[str, Any] = {"enabled": True, "path": settings.path}
        if state is not None:
            facts["statePath"] = str(state)
        facts["persistent"] = state is not None
        overlay = self.overlay()
        if overlay.updated_at is not None:
            facts["overlayUpdatedAt"] = overlay.updated_at
        return {**facts, "overlayServers": sorted(overlay.entries)}

    def servers(self) -> list[dict[str, Any]]:
        """Every server: its entry, how it is, and its tools."""
        managed = self.overlay().entries
        runtime = self._host.runtime
        records = {record["name"]: record for record in self._host.server_records()}
        catalogue = runtime.indexes.catalogue()
        shown = []
        for name, entry in sorted(self.entries().items()):
            record = dict(records.get(name) or {"state": "disabled"})
            record.pop("name", None)
            tools = sorted(found.tool.name for found in catalogue.offered(name)) if name in records else []
            shown.append(
                {
                    "name": name,
                    "config": shown_entry(entry),
                    "managed": name in managed,
                    "runtime": record,
                    "tools": tools,
                }
            )
        return shown

    async def settled(self) -> None:
        """Waits for servers that are still starting, for a while."""
        await self._host.runtime.settled_within(START_SECONDS)

    def runtime_facts(self) -> dict[str, Any]:
        """The status of everything, for those who run it."""
        return self._host.runtime.operator_status()

    async def change(self, action: str, name: str, make: Make, by: str) -> None:
        """Makes a change.

        Args:
            action: `add_server`, `patch_server` or `delete_server`.
            name: The server.
            make: Gives its new entry for the one before, None for no server.
            by: Whose change it is, for the log.

        Raises:
            CallmuxError: It cannot be made; everything is as it was.
        """
        overlay = Overlay()

        def read() -> Config:
            nonlocal overlay
            entry = make(self.entries().get(name))
            overlay = self._saved().with_entry(name, entry, iso(self._clock.wall()))
            self._check(overlay)
            return self._reading.read(Sources(), overlay)

        async def save() -> None:
            await self._save(overlay)

        bus = self._host.bus
        try:
            await self._newest()
            await self._host.reload(read, save)
        except CallmuxError as failure:
            bus.publish(ServersManaged(action=action, server=name, by=by, error=failure.message))
            raise
        log.info('server "%s" was %s over the management interface by %s', name, DONE[action], by)
        bus.publish(ServersManaged(action=action, server=name, by=by))
        bus.publish(Reloaded())

    def preview(self, name: str, make: Make) -> dict[str, Any]:
        """The configuration as it would be, without secrets.

        Raises:
            CallmuxError: The change could not be made.
        """
        entry = make(self.entries().get(name))
        overlay = Overlay().with_entry(name, entry, "")
        self._check(overlay)
        return shown_document(overlay.over(self._document()))

    def _check(self, overlay: Overlay) -> None:
        """Refuses what the configuration would not take, by the places that the caller knows."""
        checked = check_document(overlay.over(self._document()))
        if checked.errors:
            raise ConfigError([*checked.errors, *checked.hints])

    async def _newest(self) -> None:
        """Takes over what other listeners have changed, before a change of our own: theirs would be lost.

        Raises:
            NotSaved: Nobody can tell, or it cannot be here.
        """
        if self._shared is None:
            return
        try:
            await self._take_over(self._shared)
        except StoreUnavailable as away:
            raise NotSaved(f"{away.message}. Other listeners could not know: nothing was changed") from None
        except CallmuxError as failure:
            why = f"what another listener has changed cannot be taken over: {failure.message}"
            raise NotSaved(f"{why}. Nothing was changed") from None

    async def follow(self) -> None:
        """Takes over what other listeners change, for as long as it runs."""
        refused = version = -1
        while self._shared is not None:
            try:
                version = await self._shared.version()
                if version not in (self._version, refused):
                    await self._take_over(self._shared)
            except StoreUnavailable as away:
                log.debug("changes of other listeners are not known: %s", away)
            except CallmuxError as failure:
                # Said once: it may be as impossible in two seconds.
                refused = version
                log.warning("could not take over what another listener has changed: %s", failure.message)
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _take_over(self, shared: SharedChanges) -> None:
        version, text = await shared.read()
        if version == self._version:
            return
        own = self._saved()
        overlay = _read(text) if version else own
        if not version and own.entries:
            # It has never known them, or has lost them.
            version = await shared.write(own.dump(), 0)
        elif overlay.entries != own.entries:
            await self._host.reload(
                lambda: self._reading.read(Sources(), overlay), lambda: self._keep(overlay)
            )
            log.info("servers are as another listener has changed them")
            self._host.bus.publish(Reloaded())
        self._version = version

    async def _save(self, overlay: Overlay) -> None:
        if self._shared is None:
            await self._keep(overlay)
            return
        try:
            version = await self._shared.write(overlay.dump(), self._version)
        except StoreUnavailable as away:
            why = f"{away.message}. Other listeners could not know: nothing was changed"
            raise NotSaved(why) from None
        if not version:
            raise NotSaved("another listener was faster: look at the servers again. Nothing was changed")
        await self._keep(overlay, "Other listeners make this change, this one does not")
        self._version = version

    async def _keep(self, overlay: Overlay, otherwise: str = "Nothing was changed") -> None:
        """Writes the changes down.

        Args:
            otherwise: What is said of the change where they cannot be written.

        Raises:
            NotSaved: They cannot.
        """
        state = self._state()
        if state is None:
            self._known = overlay
            return
        try:
            await aside(lambda: write_private(state, overlay.dump()), SAVE_SECONDS)
        except TimeoutError:
            raise NotSaved(f'"{state}" could not be written in time. {otherwise}') from None
        except OSError as error:
            why = error.strerror or str(error)
            raise NotSaved(f'cannot write "{state}": {why}. {otherwise}') from None
        self._known = overlay

    async def order(self, order: ServerOrder, by: str) -> dict[str, Any]:
        """Has one server restarted, stopped or started, here and at other nodes; gives how it is.

        Raises:
            ServerNotFound, ServerDisabled: There is no such server, or it is not to run.
            CallmuxError: It is for another node, which is not there or cannot be told.
        """
        name, action = order.server, order.action
        if name not in self.config.servers:
            raise ServerNotFound(f'server "{name}" not found', server=name)
        if self.config.servers[name].disabled:
            doing = DOING[action]
            raise ServerDisabled(f'server "{name}" is disabled; enable it before {doing}', server=name)
        record = await give(self._host, order, f"asked for over the management interface by {by}")
        self._host.bus.publish(ServersManaged(action=f"{action}_server", server=name, by=by))
        return record

    def nodes(self) -> dict[str, Any]:
        """The listeners that are one, as this one sees them; without `state.node` there are none."""
        found: dict[str, Any] = self._host.diagnostics().get("cluster") or {"nodes": []}
        return found

    async def clear_cache(self, tool: str | None, server: str | None) -> dict[str, Any]:
        """Forgets cached results; gives what the cache says of itself then."""
        return await self._host.runtime.clear_cache(tool, server)


def _read(text: bytes) -> Overlay:
    """The changes that a text of other listeners says.

    Raises:
        ConfigError: They cannot be used here.
    """
    return read_overlay(msgspec.json.decode(text), "the changes of other listeners")
