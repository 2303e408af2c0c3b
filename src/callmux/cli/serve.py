"""Run mode: callmux in front of its servers, for one client on stdio.

Called by `callmux.cli.main`. Chooses the configuration and gives servers a head start
(`callmux.upstream.links.head_start`); `callmux.cli.single_client` is imported while they start, and does the
rest. Everything but MCP goes to stderr.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from callmux.cli.grammar.serve import LISTENER_OPTIONS
from callmux.cli.grammar.shared import LOGGING
from callmux.cli.inline import inline_config, override
from callmux.cli.parsing import Given
from callmux.cli.process import log_to_stderr, run_loop, stamp_log
from callmux.config.load import default_config, find_config, load_config
from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.errors import UsageError
from callmux.transport.hello import greets, said_already
from callmux.upstream.links.head_start import HeadStarts

log = logging.getLogger("callmux")


def run(given: Given, config_option: str | None) -> int:
    """Serves until the client leaves. Gives the exit code.

    Args:
        given: The command line.
    """
    log_to_stderr()
    env, show = dict(os.environ), _show
    listening = given.on("--listen")
    if not listening:
        for option in LISTENER_OPTIONS:
            if given.on(option.name):
                raise UsageError(f"{option.name} is for a listener: it needs --listen PORT beside it")
    if listening:
        stamp_log()
    if any(given.on(option.name) for option in LOGGING):
        from callmux.cli import own_log

        own_log.begin(own_log.log_options(given))
        show = own_log.show
    if listening:
        from callmux.cli.listen import listen, read_options

        options = read_options(given)
        path = choose(given, config_option, env)

        def read(sources: Sources, overlay: Overlay | None = None) -> Config:
            return load(given, path, env, sources, overlay)

        return run_loop(listen(options, path, read, env, show))
    path = choose(given, config_option, env)
    if sys.stdin.isatty() and sys.stderr.isatty():
        print(
            "callmux waits for an MCP client on stdin. A client starts it by itself once"
            ' "callmux client attach CLIENT" has entered it there. Ctrl-C ends it.',
            file=sys.stderr,
        )
    return run_loop(_serve(path, lambda sources: load(given, path, env, sources), env, show))


def load(
    given: Given, path: Path | None, env: dict[str, str], sources: Sources, overlay: Overlay | None = None
) -> Config:
    """The configuration of `path`, or of the command line where there is no file.

    Args:
        sources: Takes the files that were read.
        overlay: Lies over the servers of the file; the saved one where None.

    Raises:
        CallmuxError: It cannot be used.
    """
    if path is None:
        return inline_config(given, env)
    loaded = load_config(path, env, sources=sources, overlay=overlay)
    for warning in loaded.warnings:
        log.warning("%s: %s", path, warning)
    return override(loaded.config, given)


def choose(given: Given, config_option: str | None, env: dict[str, str]) -> Path | None:
    """The configuration file to run; None for a server on the command line.

    Raises:
        CallmuxError: There is nothing to run.
    """
    if config_option is not None and given.rest is not None:
        raise UsageError("--config names the servers already: leave the command after -- out, or --config")
    if given.rest is not None or given.on("--url"):
        return None
    path = find_config(config_option, env, Path.home())
    if path is None:
        # What is wrong with the flags comes first: nothing else that is said would help.
        override(Config(), given)
        raise UsageError(
            "nothing to run. Name a configuration with --config PATH,\n"
            "put the command of a single server after --, as in: callmux -- npx -y some-mcp-server,\n"
            f"or let callmux setup write {default_config(Path.home(), os.environ)} from what your clients"
            " have"
        )
    return path


async def _serve(
    path: Path | None,
    load: Callable[[Sources], Config],
    env: dict[str, str],
    show: Callable[[str, str], None],
) -> int:
    """Starts servers for a client that greets already, and reads in the rest of callmux meanwhile."""
    config = load(sources := Sources())
    ahead = HeadStarts(env, path.parent if path else Path.cwd())
    try:
        if greets(said := said_already()):
            await ahead.begin(config)
        from callmux.cli.single_client import attend

        return await attend(config, path, load, sources, env, show, ahead, said)
    finally:
        await ahead.close()


def _show(server: str, line: str) -> None:
    print(f"[{server}] {line}", file=sys.stderr, flush=True)
