"""A listener that a program starts, reloads, watches and stops.

Nothing else is touched: no signal handler, no log handler, no file but those that the configuration names.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.errors import CallmuxError
from callmux.guard.guard import Guard
from callmux.library.gateway import Gateway
from callmux.library.loading import Given, Loader
from callmux.library.subscribers import ROOM, FactStream, Subscribers
from callmux.loopback import is_loopback
from callmux.observe.facts import ConnectFailed, Fact, ListenerChanged, Reloaded, ServerDown, ServerUp
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.process.servers import startup_failed
from callmux.serving.assembly import assemble
from callmux.serving.posture import check_posture
from callmux.serving.reading import ConfigReader
from callmux.serving.sharing import keep_comparing, node_of, shared_by
from callmux.tasks import TaskSet, to_the_end
from callmux.timestamps import iso
from callmux.transport.http.listener import Listener as Sessions
from callmux.transport.http.serve import HttpServer, bind

if TYPE_CHECKING:
    from callmux.process.shared_state import SharedState
    from callmux.serving.clustering import Clustered

log = logging.getLogger("callmux")
F = TypeVar("F", bound=Fact)

STOP_SECONDS = 10.0
STARTING, RUNNING, DEGRADED, RELOADING, STOPPED = "starting", "running", "degraded", "reloading", "stopped"


class NotRunning(CallmuxError):
    """Something was asked of a listener or gateway that does not run."""

    code = "not_running"


class _Parts:
    """What a listener that runs consists of."""

    def __init__(self, host: Host, guard: Guard, observers: Observers, reader: ConfigReader) -> None:
        self.host, self.guard, self.observers, self.reader = host, guard, observers, reader
        self.sessions: Sessions | None = None
        self.shared: SharedState | None = None
        self.node: Clustered | None = None
        self.server: HttpServer | None = None


class Listener:
    """A listener.

    Args:
        config: The path of a configuration file, or an object as such a file holds it.
        port: Where to listen; 0 takes any that is free.
        host: An address of this machine. Others than this machine's own need `auth`.
        env: The variables that servers and references get; those of this process where absent.
        base_dir: Where relative paths of an object start; the working directory where absent.
        show: Takes the name of a server and a line that it wrote to stderr; the log where absent.

    Attributes:
        port: Where it listens, once it does.
        host: The address.
    """

    def __init__(
        self,
        config: Given,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        env: Mapping[str, str] | None = None,
        base_dir: Path | None = None,
        show: Callable[[str, str], None] | None = None,
    ) -> None:
        self._env = dict(os.environ if env is None else env)
        self._loader = Loader(config, self._env, base_dir, self._kept)
        self._show = show or (lambda server, line: log.info("[%s] %s", server, line))
        self.port = port
        self.host = host
        self._parts: _Parts | None = None
        self._tasks = TaskSet("listener of a program")
        self._clock = Clock()
        self._state = STOPPED
        self._since = {"startedAt": "", "stoppedAt": "", "updatedAt": ""}
        self._reason: str | None = None
        self._subscribers = Subscribers()
        self._told = STOPPED
        self._kept_changes: Callable[[], Overlay] = Overlay

    def __repr__(self) -> str:
        return f"Listener({self.url!r}, {self._state})"

    async def __aenter__(self) -> Listener:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        where = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{where}:{self.port}"

    @property
    def mcp_url(self) -> str:
        """The address for MCP clients."""
        return f"{self.url}/mcp"

    def _kept(self) -> Overlay:
        return self._kept_changes()

    async def start(self) -> None:
        """Listens. Its servers are connected meanwhile; `ready` waits for them.

        Raises:
            CallmuxError: The configuration cannot be used, or the address cannot be taken.
        """
        if self._parts is not None:
            return
        self._tell(STARTING)
        try:
            await self._start()
        except BaseException as error:
            await self._end(STOP_SECONDS, _words(error))
            raise
        self._since["startedAt"] = iso(self._clock.wall())
        self._tell(RUNNING)

    async def _start(self) -> None:
        config = self._loader(sources := Sources())
        check_posture(config, self.host)
        try:
            listening = bind(self.host, self.port)
        except OSError as error:
            raise NotRunning(f"cannot listen on {self.host}:{self.port}: {error.strerror or error}") from None
        shared: SharedState | None = None
        try:
            shared = await shared_by(config, self._loader.base_dir, self._env)
            host = Host(
                config,
                self._loader.base_dir,
                self._env,
                self._show,
                single=False,
                clock=self._clock,
                shared=shared,
            )
            limits = None if shared is None else shared.limits(self._clock.monotonic)
            guard = Guard(self._clock, host.bus, limits)
            observers = Observers(host.bus, self._loader.base_dir, self._clock, log.info, listens=True)
            parts = self._parts = _Parts(
                host, guard, observers, ConfigReader(self._read, config, sources.document)
            )
        except BaseException:
            listening.close()
            if shared is not None:
                await shared.close()
            raise
        parts.shared = shared
        try:
            observers.configure(config)
            self._subscribers.attach(host.bus)
            for kind in (ServerUp, ServerDown, ConnectFailed):
                host.bus.subscribe(kind, self._heard)
            host.start(None)
            if config.strict_startup:
                await host.runtime.settled()
                if down := host.runtime.failed():
                    raise startup_failed(down)
            parts.sessions, app, trees = assemble(
                host,
                guard,
                observers,
                parts.reader,
                secrets.token_bytes(32) if shared is None else shared.derived("sessions"),
                self._clock,
                loopback=is_loopback(self.host),
                shared=shared,
            )
            before = self._kept_changes()
            self._kept_changes = lambda: trees.changes().overlay()
            if before.entries:
                trees.changes().take_over(before)
            parts.node = await node_of(shared, parts.sessions, app, host, self._loader.base_dir, self._env)
            parts.server = HttpServer(app, listening, None)
            await parts.server.start()
            self.port = listening.getsockname()[1]
        except BaseException:
            listening.close()
            raise
        self._tasks.spawn(parts.sessions.keep_sweeping())
        if shared is not None:
            self._tasks.spawn(trees.follow())
            self._tasks.spawn(keep_comparing(shared, host, parts.reader))

    def _read(self, sources: Sources, overlay: Overlay | None = None) -> Config:
        config = self._loader(sources, overlay)
        check_posture(config, self.host)
        self._running().guard.expect(config)
        return config

    async def ready(self) -> str:
        """Waits until every server is up or has failed: `ok`, `degraded` or `down`."""
        return await self._running().host.readiness()

    async def reload(self, config: Given | None = None) -> None:
        """Puts a configuration in force; the one it has, read anew, where none is given. Sessions go on.

        Raises:
            CallmuxError: It cannot be used; the old one goes on.
        """
        parts, before = self._running(), self._loader.given
        self._tell(RELOADING)
        self._loader.given = before if config is None else config
        try:
            await parts.host.reload(lambda: parts.reader.read(Sources()))
        except BaseException as error:
            self._loader.given = before
            reason = _words(error)
            parts.host.bus.publish(Reloaded(error=reason))
            self._tell(RUNNING, reason)
            raise
        parts.host.bus.publish(Reloaded())
        self._tell(RUNNING)

    def subscribe(self, kind: type[F], listener: Callable[[F], None]) -> Callable[[], None]:
        """Has `listener` called with each fact of a kind, such as `CallEnded`, in the loop of
        the listener: it must be quick. It may be called before the start. Gives what ends that."""
        return self._subscribers.subscribe(kind, listener)

    def events(self, *kinds: type[Fact], room: int = ROOM) -> FactStream:
        """Facts of these kinds from now on, for `async for`. A slow reader holds nobody up: what finds no
        room is dropped, and a `Dropped` says how many. Ends when the listener is stopped.

        Args:
            room: How many facts may wait.
        """
        return self._subscribers.events(kinds, room)

    def gateway(self) -> Gateway:
        """A client of this listener in this process. It has no credential: where the configuration has rules,
        it may do what they let nobody in particular do."""
        return Gateway.of(self._running().host)

    def health(self) -> dict[str, Any]:
        """How it is: `state`, `url`, `downstream`, and `runtime`, as status shows a listener."""
        facts: dict[str, Any] = {"state": self._shown(), "url": self.url, "mcpUrl": self.mcp_url}
        facts |= {"host": self.host, "port": self.port}
        facts |= {key: when for key, when in self._since.items() if when}
        if self._reason is not None:
            facts["reason"] = self._reason
        if self._parts is None:
            return facts
        host = self._parts.host
        records = {record["name"]: record for record in host.server_records()}
        failed = [server.name for server in host.runtime.failed()]
        facts["downstream"] = {
            "total": len(records),
            "connected": len(records) - len(failed),
            "failed": len(failed),
            "servers": records,
        }
        facts["runtime"] = host.runtime.operator_status().get("listener", {})
        return facts

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Takes no further requests, gives those in flight so long, and ends all servers."""
        if self._parts is not None:
            await self._end(seconds)

    async def _end(self, seconds: float, reason: str | None = None) -> None:
        parts, self._parts = self._parts, None
        try:
            if parts is not None:
                await self._end_parts(parts, seconds)
        finally:
            if parts is not None:
                self._since["stoppedAt"] = iso(self._clock.wall())
            self._tell(STOPPED, reason)
            self._subscribers.detach()

    async def _end_parts(self, parts: _Parts, seconds: float) -> None:
        async def drain() -> None:
            if parts.sessions is None or parts.server is None:
                return
            if parts.node is not None:
                await parts.node.give_way(parts.server, parts.sessions, seconds)
            else:
                parts.sessions.leaving = parts.sessions.refusing = True
                parts.host.runtime.retire("callmux is being stopped")
                await parts.server.stop_accepting()
                await parts.sessions.drain(seconds)

        parts.host.strict_failure.cancel()
        # Nobody can ask once more for what a caller that gives up has left.
        await to_the_end(
            drain,
            self._tasks.cancel,
            *([] if parts.server is None else [parts.server.stop]),
            *([] if parts.node is None else [parts.node.close]),
            parts.guard.close,
            parts.host.close,
            *([] if parts.shared is None else [parts.shared.close]),
            partial(asyncio.to_thread, parts.observers.close),
        )

    def _running(self) -> _Parts:
        if self._parts is None:
            raise NotRunning("the listener does not run: call start() first, or use it with `async with`")
        return self._parts

    def _tell(self, state: str, reason: str | None = None) -> None:
        self._state, self._reason = state, reason
        self._changed()

    def _shown(self) -> str:
        """Its state, as others see it."""
        if self._parts is None or self._state != RUNNING:
            return self._state
        host = self._parts.host
        states = {record["name"]: record["state"] for record in host.server_records()}
        is_down = any(states[server.name] != "starting" for server in host.runtime.failed())
        return DEGRADED if is_down else RUNNING

    def _heard(self, fact: Fact) -> None:
        # Once whoever tells of it has taken note of it, too.
        asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Something has happened to a server."""
        if self._shown() != self._told:
            self._changed()

    def _changed(self) -> None:
        self._since["updatedAt"] = iso(self._clock.wall())
        self._told = self._shown()
        self._subscribers.tell(ListenerChanged(state=self._told, reason=self._reason))


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, CallmuxError) else repr(error)
