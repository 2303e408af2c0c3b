"""One client on stdin and stdout, from its first message until it leaves or a signal comes.

Called by `callmux.cli.serve`, which imports this once servers have their head start. Wires host, session and
transport.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from callmux.cli.process import REST_SECONDS, settle
from callmux.cli.signals import stop_signals
from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.sources import Sources
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.process.servers import startup_failed
from callmux.protocol.calling import calls_in, of_caller
from callmux.session.session import Session
from callmux.tasks import TaskSet, first_of, to_the_end
from callmux.transport.stdio import StdioTransport
from callmux.upstream.links.head_start import HeadStarts

LOOK_SECONDS = 1.0
"""How often it is looked whether the client has its lists."""
MOST_LOOKS = 60
"""After so many nobody waits for that any more."""
LAST_ANSWERS_SECONDS = 5.0
"""How long requests in flight may go on once the client has closed its end but still reads."""


async def attend(
    config: Config,
    path: Path | None,
    load: Callable[[Sources], Config],
    sources: Sources,
    env: dict[str, str],
    show: Callable[[str, str], None],
    ahead: HeadStarts,
    said: bytes,
) -> int:
    """Serves until the client leaves. Gives the exit code.

    Args:
        config: What is in force.
        path: Its file; None where it comes from the command line.
        load: Reads it again.
        sources: The files that were read.
        env: The environment.
        show: Takes a server's name and a line it wrote to stderr.
        ahead: Servers whose processes run already.
        said: What was read from the client already.
    """
    base_dir = ahead.around.base_dir
    host = Host(config, base_dir, env, show, single=True, ahead=ahead)
    clock = Clock()
    observers = Observers(host.bus, base_dir, clock, sys.stderr.write)
    observers.configure(config)
    stopped = stop_signals()
    failed, tasks = asyncio.Event(), TaskSet("client on stdio")
    host.strict_failure.add_done_callback(lambda _: failed.set())
    try:
        transport = StdioTransport()
        session = Session(host.dispatch, transport.send, flush=transport.flush, now=clock.monotonic)
        transport.serve(session.receive, session.flow, of_caller, calls_in)
        host.add(session)
        tasks.spawn(_read_in(host, session))
        await transport.open(said=said)
        watching = None
        if path is not None:
            from callmux.process.config_watch import watch_and_answer

            watching = tasks.spawn(watch_and_answer(path, host, load, sources, env))
        if not host.started and not session.requests:
            # The greeting was refused, or there was none.
            await ahead.end_unused()
        await first_of(transport.ended, transport.gone, stopped, failed)
        if watching is not None:
            watching.cancel()
        if config.strict_startup and not stopped.is_set():
            # Whoever only tries whether everything starts closes stdin at once.
            host.start(session)
            await host.runtime.settled()
            if down := host.runtime.failed():
                raise startup_failed(down)
        host.runtime.retire("callmux is ending")
        host.dispatch.hang_up()
        if transport.ended.is_set() and not stopped.is_set():
            await first_of(session.quiet, transport.gone, stopped, seconds=LAST_ANSWERS_SECONDS)
        await session.close()
        await transport.finish(1.0)
        return 0
    finally:
        host.strict_failure.cancel()
        try:
            await to_the_end(tasks.cancel, host.close)
        finally:
            observers.close()


async def _read_in(host: Host, session: Session) -> None:
    """Reads in what the first call would once the client has its lists, and lets the collector go to work."""
    for _ in range(MOST_LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        if session.seen or host.runtime.is_read_in:
            break
    await asyncio.sleep(REST_SECONDS)
    host.runtime.read_in()
    settle()
