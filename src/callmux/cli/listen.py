"""Listener mode: one callmux for many clients over HTTP.

Called by `callmux.cli.serve` where `--listen` stands in the arguments. Checks that it is safe to listen
before anything is started, opens the port at once, and connects the servers meanwhile.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from callmux.aside import aside
from callmux.cli.handover import Successor, give_way, hand_over, own_command, predecessor, replaced
from callmux.cli.https import Https
from callmux.cli.parsing import Given
from callmux.cli.process import REST_SECONDS, settle
from callmux.cli.signals import stop_signals, upgrade_signal
from callmux.cli.supervisor import Supervisor
from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.errors import CallmuxError, UsageError
from callmux.guard.guard import Guard
from callmux.loopback import is_loopback
from callmux.places import state_dir
from callmux.process.config_watch import watch_and_answer
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.process.servers import startup_failed
from callmux.serving.invitation import address_of, invited
from callmux.serving.posture import check_posture
from callmux.serving.reading import ConfigReader, Load
from callmux.serving.sharing import keep_comparing, node_of, shared_by
from callmux.session import saved_sessions
from callmux.session.saved_sessions import SavedSession, SavedSessions, session_key
from callmux.tasks import TaskSet
from callmux.transport.http.serve import HttpServer, bind

if TYPE_CHECKING:
    from callmux.process.shared_state import SharedState
    from callmux.serving.clustering import Clustered
    from callmux.transport.http.listener import Listener

log = logging.getLogger("callmux")

DRAIN_SECONDS = 10.0
"""How long requests in flight may go on once we are told to stop."""


STATE_SECONDS = 30.0
"""How long reading the files of our state may take: they may be on a drive that does not answer, or just on a
machine that starts many servers at once."""
TURNS = 20
"""Turns of the loop that servers get first, in which the processes of most are started."""
SAVE_SECONDS = 10.0
"""How long writing them may take at the end."""
START_SECONDS = 15.0
"""What a new process gets until it answers, beside the time to connect its servers."""


class ListenOptions(msgspec.Struct, frozen=True):
    """Where to listen.

    Attributes:
        port: 1 to 65535.
        host: An address or name of this machine.
        idle_exit_seconds: End after so long without a session; None for never.
        tls: Files of a certificate and its key, to speak https; None for those of the configuration.
    """

    port: int
    host: str = "127.0.0.1"
    idle_exit_seconds: int | None = None
    tls: tuple[str, str] | None = None


class ListenFailed(CallmuxError):
    """The address, or what the process before us left, cannot be taken."""

    code = "listen_failed"


def read_options(given: Given) -> ListenOptions:
    """What a command line with `--listen` says of the listener.

    Raises:
        UsageError: It says half of it.
    """
    port = given.number("--listen")
    assert port is not None
    cert, key = given.text("--tls-cert"), given.text("--tls-key")
    if (cert is None) != (key is None):
        raise UsageError("--tls-cert and --tls-key go together: give both")
    tls = None if cert is None or key is None else (cert, key)
    return ListenOptions(port, given.text("--host") or "127.0.0.1", given.number("--idle-exit"), tls)


async def listen(
    options: ListenOptions,
    path: Path | None,
    load: Load,
    env: dict[str, str],
    show: Callable[[str, str], None],
) -> int:
    """Serves until it is told to stop. Gives the exit code."""
    before = predecessor(env)
    inherited = dict(env)
    supervisor = Supervisor(env)
    config = load(sources := Sources())
    check_posture(config, options.host)
    https = Https(options.tls, config)
    base_dir = path.parent if path else Path.cwd()
    tasks = TaskSet("listener")
    node: Clustered | None = None
    async with AsyncExitStack() as ends:
        listening = _bound(options) if before is None else before.listening
        ends.callback(listening.close)
        shared = await shared_by(config, base_dir, env)
        if shared is not None:
            ends.push_async_callback(shared.close)
        host = Host(config, base_dir, env, show, single=False, shared=shared)
        clock = Clock()
        limits = None if shared is None else shared.limits(clock.monotonic)
        guard = Guard(clock, host.bus, limits)
        observers = Observers(host.bus, base_dir, clock, sys.stderr.write, listens=True)
        ends.callback(observers.close)
        ends.push_async_callback(host.close)
        # Before the servers end, which may take a while: whoever connects meanwhile would wait in vain.
        ends.callback(listening.close)
        ends.callback(host.strict_failure.cancel)
        ends.push_async_callback(guard.close)
        observers.configure(config)
        host.start(None)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        # What speaks HTTP is read in while the processes of our servers start.
        from callmux.serving.assembly import assemble

        if before is not None or config.strict_startup:
            # The process before us still answers: clients need not wait for our servers.
            await host.runtime.settled()
            if config.strict_startup and (down := host.runtime.failed()):
                raise startup_failed(down)
        stopped, asked = stop_signals(), upgrade_signal()
        state = state_dir(env)
        key = await _key(state, shared) if before is None else before.key
        reading = ConfigReader(partial(_reread, load, options.host, guard), config, sources.document)
        listener, app, trees = assemble(
            host,
            guard,
            observers,
            reading,
            key,
            clock,
            loopback=is_loopback(options.host),
            configured=https.configured,
            shared=shared,
        )
        saved = await _inherited(state, options.port) if before is None else before.saved_sessions
        listener.table.bury(saved.ended, saved.floor)
        listener.saved_sessions = saved.sessions
        server = HttpServer(app, listening, https.context)
        node = await node_of(shared, listener, app, host, base_dir, env)
        if node is not None:
            ends.push_async_callback(node.close)
        ends.push_async_callback(tasks.cancel)
        ends.push_async_callback(server.stop)
        await server.start()
        if before is not None:
            await before.relieve()
            listener.elsewhere = before.send
        supervisor.ready()
        _banner(options, https.scheme, config)
        if (freshness := https.kept_fresh()) is not None:
            tasks.spawn(freshness)
            if path is None and sys.platform != "win32":
                # Nobody else waits for it; the files are read whenever they change.
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, https.configured, config)
        if path is not None:
            base = address_of(https.scheme, options.host, options.port)

            def invite(person: bool) -> dict[str, Any]:
                return invited(guard, host.runtime.config, base, env, clock, person=person)

            tasks.spawn(watch_and_answer(path, host, reading.read, sources, env, observers.counts, invite))
        tasks.spawn(listener.keep_sweeping())
        if shared is not None:
            tasks.spawn(trees.follow())
            tasks.spawn(keep_comparing(shared, host, reading))
        idle = asyncio.Event()
        if options.idle_exit_seconds is not None:
            tasks.spawn(_watch_idle(listener, options.idle_exit_seconds, idle))
        tasks.spawn(_read_in(host, 0.0 if before is not None else REST_SECONDS))
        replace = partial(_replace, listening, host, listener, inherited)
        if node is not None:
            replace = partial(_stay, node.cluster.membership.id)
        successor = await replaced(replace, asked, stopped, idle)
        if successor is not None:
            await tasks.cancel()
            listener.leaving = True
            host.runtime.retire("another process has taken over meanwhile")
            tasks.spawn(successor.relay(listener.overheard))
            await give_way(server, listener, host.runtime.drain_seconds(), stopped)
        else:
            log.info("stopping")
            supervisor.stopping()
            seconds = min(DRAIN_SECONDS, host.runtime.drain_seconds())
            if node is not None:
                await node.give_way(server, listener, seconds)
            else:
                listener.leaving = listener.refusing = True
                host.runtime.retire("callmux is being stopped")
                await server.stop_accepting()
                await listener.drain(seconds)
            await _leave(state, options.port, _saved_sessions(host, listener))
        return 0


async def _key(state: Path, shared: SharedState | None) -> bytes:
    if shared is not None:
        return shared.derived("sessions")
    try:
        return await aside(lambda: session_key(state), STATE_SECONDS)
    except TimeoutError:
        raise ListenFailed(f"{state} cannot be read: its file system does not answer") from None


async def _inherited(state: Path, port: int) -> SavedSessions:
    try:
        return await aside(lambda: saved_sessions.take(state, port), STATE_SECONDS)
    except TimeoutError:
        log.warning("could not read %s in time: sessions lose log levels and subscriptions", state)
        return SavedSessions()


async def _leave(state: Path, port: int, saved: SavedSessions) -> None:
    try:
        await aside(lambda: saved_sessions.save(state, port, saved), SAVE_SECONDS)
    except TimeoutError:
        log.warning("could not write %s in time: sessions lose log levels and subscriptions", state)


def _bound(options: ListenOptions) -> socket.socket:
    try:
        return bind(options.host, options.port)
    except OSError as error:
        from callmux.cli.occupant import occupant

        where = f"cannot listen on {options.host}:{options.port}: {error.strerror or error}"
        if error.errno == errno.EACCES:
            where += ". Ports below 1024 are for root: choose another with --listen"
        elif error.errno == errno.EADDRNOTAVAIL:
            where += ". --host must be an address of this machine"
        elif who := occupant(options.host, options.port):
            where += f". {who} answers there: end it, or choose another port with --listen"
        raise ListenFailed(where) from None


def _saved_sessions(host: Host, listener: Listener) -> SavedSessions:
    """What the process that follows gets to know of our sessions."""
    from callmux.transport.http.web_session import STATELESS

    # Some may be of a process before us, whose sessions nobody has used since.
    sessions = dict(listener.saved_sessions)
    for seat in listener.table:
        if seat.kind == STATELESS:
            continue
        session = seat.session
        facts = session.facts
        left = SavedSession(session.log_level, facts.client_name, host.subscriptions.of(session), facts.waits)
        if left != SavedSession():
            sessions[seat.id] = left
    return SavedSessions(listener.table.ended, sessions, listener.table.floor)


async def _replace(
    listening: socket.socket, host: Host, listener: Listener, env: dict[str, str]
) -> Successor | None:
    """Starts another process in our place."""
    seconds = 2 * host.runtime.config.longest_connect_milliseconds / 1000 + START_SECONDS
    saved = _saved_sessions(host, listener)
    return await hand_over(listening, listener.table.key, saved, own_command(), env, seconds)


async def _stay(name: str) -> Successor | None:
    """Another process in the place of a node would be another node."""
    log.warning("node %s is not replaced in place: stop it, the others go on with its sessions", name)
    return None


def _reread(load: Load, host: str, guard: Guard, sources: Sources, overlay: Overlay | None = None) -> Config:
    config = load(sources, overlay)
    check_posture(config, host)
    guard.expect(config)
    return config


async def _read_in(host: Host, seconds: float) -> None:
    """Reads in what calls need, and lets the collector go to work, once the first client has its lists."""
    await asyncio.sleep(seconds)
    host.runtime.read_in()
    settle()


async def _watch_idle(listener: Listener, seconds: int, idle: asyncio.Event) -> None:
    quiet_since = listener.now()
    while listener.now() - quiet_since < seconds:
        await asyncio.sleep(max(min(seconds / 4, 5.0), 0.1))
        if any(True for _ in listener.table):
            quiet_since = listener.now()
    log.info("no session for %d s", seconds)
    idle.set()


def _banner(options: ListenOptions, scheme: str, config: Config) -> None:
    where = f"[{options.host}]" if ":" in options.host else options.host
    base = f"{scheme}://{where}:{options.port}"
    lines: list[str] = [
        f"Listening on {base}",
        f"  Streamable HTTP: {base}/mcp",
        f"  HTTP+SSE:        {base}/sse",
        f"  Health:          {base}/health, {base}/ready",
    ]
    if config.dashboard.enabled:
        lines.append(f"  Dashboard:       {base}{config.dashboard.path} (to sign in: callmux dashboard)")
    for line in lines:
        log.info("%s", line)
    sys.stderr.flush()
