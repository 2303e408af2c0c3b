"""What lives as long as the process: the pool, the sessions, and the current runtime.

Called by the run modes of `callmux.cli`. A reload builds a whole new runtime, swaps it in, and lets the old
one's servers drain; sessions never notice but for list changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.security import token_variables
from callmux.context import ClientPort
from callmux.errors import StartupFailed
from callmux.observe.bus import Bus
from callmux.observe.facts import Configured, ListsChanged
from callmux.places import known_state_dir
from callmux.process.addressed import addressed
from callmux.process.changes import tell_changes
from callmux.process.desk import Desk
from callmux.process.entitlements import Entitlements
from callmux.process.named import named
from callmux.process.portraits import Portraits
from callmux.process.reloads import Reloads
from callmux.process.runtime import Runtime
from callmux.process.server_output import ServerOutput
from callmux.process.servers import startup_failed, supply
from callmux.process.stores import Shared, Stores
from callmux.protocol.jsonrpc import INTERNAL_ERROR, RpcError
from callmux.protocol.methods import REQUESTS
from callmux.session.dispatch import Dispatch, is_wanted
from callmux.session.observing import RequestObserver
from callmux.session.session import Session
from callmux.session.subscriptions import Subscriptions
from callmux.tasks import TaskSet, to_the_end, together
from callmux.upstream.failures import CallFailure
from callmux.upstream.opening import restoring
from callmux.upstream.resources import Place
from callmux.upstream.server import Server
from callmux.upstream.visits import VISIT_OVER

if TYPE_CHECKING:
    from callmux.guard.principal import Principal
    from callmux.router.offers import Offers
    from callmux.server_orders import Others
    from callmux.upstream.links.head_start import HeadStarts

log = logging.getLogger(__name__)

GREETING_SECONDS = 0.5
"""How long `initialize` waits for servers that are still starting, to pass on their instructions."""


class Host:
    """One callmux process.

    Args:
        config: The configuration to begin with.
        base_dir: Where relative `file:` references start.
        env: The environment.
        show: Takes a server's name and a line it wrote to stderr.
        single: Whether there will only ever be one session (stdio), so nothing needs connections of its own.
        ahead: Servers whose processes run already.
        shared: Makes what it shares with other processes; nothing where absent.

    Attributes:
        entitlements: Who the clients of sessions are, and what they may use.
        portraits: What it says of itself to each client.
        unguarded: No request needs to say who asks: there is one session, and no rules apply.
        single: Whether there will only ever be one session.
        runtime: The current runtime.
        started: Its servers are connected, or being connected.
        sessions: When each began, its transport, and what it is named in status.
        dispatch: The handler of every session.
        bus: Tells what happens.
        output: The last lines that its servers wrote to stderr.
        diagnostics: Gives what status shows of a listener; empty without one.
        reloads: How reloading has gone.
        strict_failure: Set once `strictStartup` has found servers that cannot be started.
        desk: Where questions to people wait.
        others: The other nodes of this one; None where there are none.
    """

    def __init__(
        self,
        config: Config,
        base_dir: Path,
        env: dict[str, str],
        show: Callable[[str, str], None],
        *,
        single: bool,
        clock: Clock | None = None,
        ahead: HeadStarts | None = None,
        shared: Shared | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._namespace = env.get("CALLMUX_NAMESPACE") or None
        self.single = single
        self.entitlements = Entitlements(lambda: self.runtime)
        self.portraits = Portraits(lambda: self.runtime, self.entitlements)
        self.output = ServerOutput(self._clock.wall)

        def wrote(server: str, line: str) -> None:
            self.output.add(server, line)
            show(server, line)

        state = known_state_dir(env)
        self.bus = Bus()
        tokens = None if shared is None else shared.tokens
        self._supply = supply(env, base_dir, wrote, self._clock, self.bus, ahead, tokens)
        self._pool, self._private = self._supply.pool, self._supply.private
        self.bus.subscribe(ListsChanged, self._changed)
        self.bus.turned = self._observe
        self._pool.told = self._told
        self._tasks = TaskSet("host")
        self.sessions: dict[Session, tuple[float, str, str]] = {}
        self.started, self._changing = False, asyncio.Lock()
        self._first: Session | None = None
        self.subscriptions = Subscriptions(
            self._keep, lambda: self.runtime.offers, self.entitlements.may_read
        )
        self.strict_failure: asyncio.Future[StartupFailed] = asyncio.get_running_loop().create_future()
        self._stores = Stores(bus=self.bus) if shared is None else shared.stores(self.bus)
        self.others: Others | None = None
        self.desk = Desk(state, single=single, clock=self._clock)
        self.diagnostics: Callable[[], dict[str, Any]] = dict
        self.reloads = Reloads(self._clock, self.bus)
        self._observer = RequestObserver(self.bus, self._clock)
        self.runtime = self._runtime(config)
        self.unguarded = single and self.runtime.oversight is None
        self.runtime.take_effect()
        self._stores.configure(config, self.runtime.servers, self._clock.monotonic())
        self.dispatch = Dispatch(self, partial(self._stores.parking, self._clock.monotonic))

    @property
    def offers(self) -> Offers:
        self.start(None)
        return self.runtime.offers

    def start(self, session: Session | None) -> None:
        """Begins to connect all servers, on behalf of the first client; again without effect."""
        if not self.started:
            self.started = True
            if session is None and self.single and len(self.sessions) == 1:
                session = next(iter(self.sessions))
            self._first = session
            self._start(self.runtime)
            if self.runtime.config.strict_startup:
                self._tasks.spawn(self._check_start())

    def _start(self, runtime: Runtime) -> None:
        first = self._first
        capabilities = first.capabilities if first is not None else b"{}"
        revision = first.version if first is not None else None
        runtime.start(capabilities, first if self.single else None, revision)

    async def _check_start(self) -> None:
        await self.runtime.settled()
        if (failed := self.runtime.failed()) and not self.strict_failure.done():
            self.strict_failure.set_result(startup_failed(failed))

    def add(self, session: Session, transport: str = "stdio", id: str = "") -> None:
        """Tells this session of list changes from now on."""
        self.sessions[session] = self._clock.monotonic(), transport, id
        session.observer = self._observer.of_sessions
        if self.single:
            self.entitlements.introduce(session)

    def _observe(self) -> None:
        """Others listen than before."""
        self.runtime.forget_routes()
        for session in self.sessions:
            session.observer = self._observer.of_sessions

    async def remove(self, session: Session) -> None:
        """Gives up what a session held that is over."""
        closed = partial(self.dispatch.closed, session)
        forget = partial(self.subscriptions.forget, session, self.runtime.offers)
        try:
            await to_the_end(partial(self._leave, session), closed, forget)
        finally:
            self._pool.forget(session)

    async def _leave(self, session: Session) -> None:
        self._observer.left(session, self.sessions.pop(session, None))
        await session.close()

    async def greet(self, session: Session, version: str) -> bytes:
        """The result of `initialize`: at once, or almost (`GREETING_SECONDS`); in the transparent mode, as
        soon as the server itself has said what it is."""
        self.start(session)
        runtime = self.runtime
        for server in runtime.servers.values():
            server.choice.welcome(session)
        strict = runtime.config.strict_startup
        limit = None if runtime.is_transparent or strict else GREETING_SECONDS
        try:
            async with asyncio.timeout(limit):
                await runtime.settled()
            complete = True
        except TimeoutError:
            complete = False
        if strict and (failed := runtime.failed()):
            raise RpcError(INTERNAL_ERROR, startup_failed(failed).message)
        return self.portraits.greeting(session, version, complete=complete)

    async def set_level(self, session: Session) -> None:
        """Tells every server that knows of logging; one that does not take it keeps its own level."""

        async def tell(server: Server) -> None:
            own = [one for one in server.connections(session) if self.single or one.audience.owner is session]
            for connection in own:
                try:
                    await restoring.set_level(connection, session, server.timing.connect_seconds)
                except CallFailure as failure:
                    log.warning('could not set the log level of "%s": %s', server.name, failure.cause)

        await self.runtime.settled()
        seen = self.entitlements.servers_of(session)
        await asyncio.gather(*(tell(server) for n, server in self.runtime.servers.items() if n in seen))

    async def listed_for(self, session: Session) -> None:
        """Waits until it is known what every server lists to this client."""
        self.start(None)
        if not self.single:
            await self.runtime.listed_for(session)

    def pass_on(self, session: Session, method: str, params: Raw | None) -> None:
        """Hands a client's notification to every server that it has a connection to, where it may."""
        if method in REQUESTS:
            log.debug("a client has sent %s without an id: no server gets it", method)
            return
        for name, server in self.runtime.servers.items():
            if self.entitlements.may_tell(session, name, method) and not self.runtime.asks(name, method):
                for connection in server.connections(session):
                    connection.notify(method, params)

    async def reload(
        self, config: Config | Callable[[], Config], save: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Swaps to `config`. Servers whose connection settings are unchanged stay connected.

        Args:
            config: The configuration, or what reads it: nobody reads before another's change is made.
            save: Called before anything changes, once the servers are there; what it raises ends the reload.

        Raises:
            StartupFailed: With `strictStartup`, a server could not be started. The old configuration goes on.
        """
        async with self._changing:
            await self._swap(config() if callable(config) else config, save)

    async def _swap(self, config: Config, save: Callable[[], Awaitable[None]] | None) -> None:
        old = self.runtime
        try:
            new = await self._ready(config)
            if save is not None:
                await save()
            self.runtime = new
        finally:
            if self.runtime is old:
                self._pool.retain(old.servers.values(), 0)
        self.unguarded = self.single and new.oversight is None
        if self.single:
            for session in self.sessions:
                self.entitlements.introduce(session)
        new.take_over(old)
        old.retire()
        self._stores.configure(config, new.servers, self._clock.monotonic())
        self.bus.publish(Configured(config=config))
        self._pool.retain(new.servers.values(), old.drain_seconds())
        self._tell_changes()

    def _runtime(self, config: Config) -> Runtime:
        self._private |= token_variables(config.auth, config.management.auth)
        return Runtime(
            config,
            self._pool,
            self._stores,
            self._namespace,
            self._clock,
            self._process_facts,
            self.bus,
            self.desk.approval,
            listener=not self.single,
            invite=self._supply.sign_ins.invite,
            visits=self._supply.sign_ins.visits,
        )

    async def _ready(self, config: Config) -> Runtime:
        new = self._runtime(config)
        if self.started:
            self._start(new)
            await new.settled()
            if config.strict_startup and (failed := new.failed()):
                raise startup_failed(failed)
        return new

    async def restart(self, name: str, why: str) -> dict[str, Any]:
        """Restarts one server while the sessions go on; gives its record as status shows it.

        Calls in flight finish where they began, new ones wait for the new process; clients are told of list
        changes only if it lists something else.

        Args:
            why: The reason, for the log.

        Raises:
            ServerNotFound, ServerDisabled: There is no such server, or it is not to run.
        """
        server = named(name, self.runtime.servers, self.runtime.config)
        if self.started:
            log.info('restarting "%s": %s', name, why)
            self.desk.withdraw(f'server "{name}" was restarted meanwhile', name)
        # What the old process has answered says nothing of the new one, to which all calls go from here on.
        self._stores.wrote(name)
        if self.started:
            await server.restart()
        return server.record()

    def server_records(self) -> list[dict[str, Any]]:
        """The state of every server as status shows it, with `toolCount`; starts nothing."""
        return [
            {**server.record(), "toolCount": len(server.suite.tools)}
            for server in self.runtime.servers.values()
        ]

    def addressed(self, body: bytes) -> list[str]:
        """The servers that the tool calls in a client's message go to."""
        return addressed(body, self.runtime.router.servers_of)

    async def readiness(self) -> str:
        """`ok`, `degraded` or `down`. Whoever asks at the start wants to know when it is ready, so this waits
        until every server is up or has failed."""
        self.start(None)
        await self.runtime.settled()
        if not self.runtime.failed():
            return "ok"
        return "degraded" if any(s.suite.listed for s in self.runtime.servers.values()) else "down"

    def full_status(self, principal: Principal | None = None) -> dict[str, Any]:
        """What `callmux_status` shows to somebody, sessions included."""
        return self.runtime.full_status(principal)

    def _process_facts(self) -> dict[str, Any]:
        listener, reloads = self.diagnostics(), self.reloads.facts()
        if not listener:
            return reloads
        from callmux.session.activity import Activity

        active = Activity(self.runtime.find, self._clock).shown(self.sessions)
        running = {"activeToolCallCount": len(active), "activeToolCalls": active}
        facts = {**reloads, **running, **listener, "scopedStdioClients": self._pool.scoped_limits.facts()}
        if self._stores.counters.unresolved:
            facts["unresolvedSessionCwd"] = dict(sorted(self._stores.counters.unresolved.items()))
        return {"listener": facts}

    async def close(self) -> None:
        """Ends sessions and servers."""
        self.desk.withdraw("callmux has ended")
        ends = self._tasks.cancel, self._stores.close, self._supply.close
        await to_the_end(self.dispatch.close, lambda: together(*map(self._leave, [*self.sessions])), *ends)

    def _keep(self, place: Place, wanted: bool) -> None:
        if (server := self.runtime.servers.get(place.server)) is not None:
            if wanted:
                server.subscriptions.add(place.uri)
            else:
                server.subscriptions.discard(place.uri)

    def _told(self, server: Server, method: str, params: Raw | None, client: ClientPort | None) -> None:
        if method == "notifications/resources/updated":
            self._stores.wrote(server.name)
            self.subscriptions.updated(server.name, params)
            return
        if method == VISIT_OVER:
            server.questions.visits.told(params)
        if client is None:
            log.debug('could not tell which client of "%s" %s is for', server.name, method)
        elif method != "notifications/message" or is_wanted(params, client):
            client.notify(method, self.dispatch.shown_to(client, server.name, params))

    def _changed(self, change: ListsChanged) -> None:
        self._stores.wrote(change.server)
        self.runtime.forget_lists()
        self._tell_changes()

    def _tell_changes(self) -> None:
        tell_changes(self.runtime, self.entitlements, self.sessions)
