"""`callmux bridge`: one client on stdio in front of a remote listener, for as long as the client likes.

Called by `callmux.cli.main`; wires `callmux.bridge`. Everything but MCP goes to stderr. What this imports is
counted in every agent's start-up: see `tests/cli/test_bridge.py`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from callmux.bridge.credentials import find_token
from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.bridge.keeper import Patience, Revive
from callmux.bridge.relay import Relay
from callmux.cli.grammar.bridge import COMMANDS
from callmux.cli.grammar.shared import LOGGING
from callmux.cli.headers import read_headers
from callmux.cli.parsing import Given, read, refusal
from callmux.cli.process import REST_SECONDS, log_to_stderr, run_loop, settle
from callmux.cli.signals import stop_signals
from callmux.errors import UsageError
from callmux.session.session import Session
from callmux.tasks import first_of
from callmux.transport.stdio import StdioTransport

LAST_ANSWERS_SECONDS = 5.0
"""How long requests in flight may go on once the client has closed its end but still reads."""
IDLE_EXIT_SECONDS = 600
AUTOSTART_PATIENCE = Patience(never=20.0)

log = logging.getLogger("callmux")


class BridgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A command line.

    Attributes:
        endpoint: `--url`.
        cwd: `--cwd`, absolute.
        headers: Each `--header`, in order.
        call_timeout_ms: `--call-timeout`, where it is more than 0.
        token: `--token`.
        token_file: `--token-file`.
        autostart: Whether `--autostart` was given.
        idle_exit: `--idle-exit`.
    """

    endpoint: Endpoint
    cwd: str
    headers: dict[str, str]
    call_timeout_ms: int | None
    token: str | None
    token_file: str | None
    autostart: bool
    idle_exit: int


def run(args: list[str], config_option: str | None) -> int:
    """Serves until the client leaves. Gives the exit code."""
    given = read(COMMANDS[0], args)
    options = read_options(given)
    log_to_stderr()
    if any(given.on(option.name) for option in LOGGING):
        from callmux.cli.own_log import begin, log_options

        begin(log_options(given))
    env = dict(os.environ)
    headers = _headers(options, env, Path.home())
    revive: Revive | None = None
    if options.autostart:
        from callmux.bridge.autostart import Autostart

        revive = Autostart(options.endpoint, config_option, options.idle_exit, env, Path.home()).ensure
    elif config_option is not None:
        raise UsageError("--config is for --autostart: a running listener has a configuration of its own")
    return run_loop(_serve(options, headers, revive))


def read_options(given: Given) -> BridgeOptions:
    """What a command line says.

    Raises:
        UsageError: It cannot be used.
    """
    url = given.text("--url")
    if url is None:
        raise refusal(given.command, "--url is required")
    idle_exit = given.number("--idle-exit")
    return BridgeOptions(
        endpoint=read_endpoint(url),
        cwd=os.path.abspath(given.text("--cwd") or ""),
        headers=read_headers(given.all("--header")),
        call_timeout_ms=given.number("--call-timeout") or None,
        token=given.text("--token"),
        token_file=given.text("--token-file"),
        autostart=given.on("--autostart"),
        idle_exit=IDLE_EXIT_SECONDS if idle_exit is None else idle_exit,
    )


def _headers(options: BridgeOptions, env: Mapping[str, str], home: Path) -> dict[str, str]:
    """What is sent with every request: the user's own, where we are, and who we are."""
    given = {name.lower() for name in options.headers}
    headers = {name: v for name, v in options.headers.items() if not name.lower().startswith("x-callmux-c")}
    if options.cwd.isprintable():
        headers["x-callmux-cwd"] = options.cwd
    else:
        log.warning("the directory's name has characters that a header cannot have: it is not sent")
    headers["x-callmux-client"] = "stdio-bridge"
    if "authorization" in given:
        return headers
    token = find_token(options.endpoint, env, home, options.token, options.token_file)
    if token is not None:
        if token.source == "CALLMUX_TOKEN" and (options.token or options.token_file):
            log.warning("CALLMUX_TOKEN is set and comes before --token and --token-file")
        headers["Authorization"] = f"Bearer {token.value}"
    return headers


async def _serve(options: BridgeOptions, headers: Mapping[str, str], revive: Revive | None) -> int:
    stopped = stop_signals()
    patience = AUTOSTART_PATIENCE if options.autostart else Patience()
    relay = Relay(options.endpoint, headers, options.call_timeout_ms, patience, revive)

    transport = StdioTransport()
    session = Session(relay, transport.send, flush=transport.flush)

    def flow(reading: bool) -> None:
        session.flow(reading)
        relay.flow(reading)

    transport.serve(session.receive, flow)
    await transport.open()
    resting = asyncio.get_running_loop().call_later(REST_SECONDS, settle)
    await first_of(transport.ended, transport.gone, stopped)
    resting.cancel()
    relay.hang_up()
    if transport.ended.is_set() and not stopped.is_set():
        await first_of(session.quiet, transport.gone, stopped, seconds=LAST_ANSWERS_SECONDS)
    relay.leaving()
    await session.close()
    await transport.finish(1.0)
    await relay.close()
    return 0
