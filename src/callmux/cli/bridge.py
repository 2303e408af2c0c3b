"""`callmux bridge`: one client on stdio in front of a remote listener, for as long as the client likes.

Called by `callmux.cli.main`; wires `callmux.bridge`. Everything but MCP goes to stderr. What this imports is
counted in every agent's start-up: see `tests/cli/test_bridge.py`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from callmux.bridge.credentials import find_token
from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.bridge.keeper import Patience, Revive
from callmux.bridge.relay import Relay
from callmux.cli.signals import stop_signals
from callmux.errors import UsageError
from callmux.session.session import Session
from callmux.tasks import first_of
from callmux.transport.stdio import StdioTransport

USAGE = (
    "callmux bridge --url URL [--cwd PATH] [--header NAME:VALUE]... [--call-timeout MS] "
    "[--token TOKEN | --token-file PATH] [--autostart [--idle-exit SECONDS]]"
)
LAST_ANSWERS_SECONDS = 5.0
"""How long requests in flight may go on once the client has closed its end but still reads."""
IDLE_EXIT_SECONDS = 600
AUTOSTART_PATIENCE = Patience(never=20.0)

_VALUES = ("--url", "--cwd", "--header", "--call-timeout", "--token", "--token-file", "--idle-exit")
_SWITCHES = ("--autostart",)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = {
    *("accept", "connection", "content-length", "content-type", "host", "transfer-encoding"),
    *("last-event-id", "mcp-protocol-version", "mcp-session-id"),
}

log = logging.getLogger("callmux")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """A command line.

    Attributes:
        endpoint: `--url`.
        cwd: `--cwd`, absolute.
        headers: Each `--header`, in order.
        call_timeout_ms: `--call-timeout`, where it is more than 0.
        token: `--token`.
        token_file: `--token-file`.
        autostart: `--autostart`.
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
    options = read_options(args)
    _log_to_stderr()
    env = dict(os.environ)
    headers = _headers(options, env, Path.home())
    revive: Revive | None = None
    if options.autostart:
        from callmux.bridge.autostart import Autostart

        revive = Autostart(options.endpoint, config_option, options.idle_exit, env, Path.home()).ensure
    elif config_option is not None:
        raise UsageError("--config is for --autostart: a running listener has a configuration of its own")
    return _run_loop(_serve(options, headers, revive))


def read_options(args: list[str]) -> Options:
    """Reads the command line.

    Raises:
        UsageError: It cannot be understood.
    """
    values: dict[str, str] = {}
    headers: dict[str, str] = {}
    switches = set()
    rest = iter(args)
    for word in rest:
        name, given, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in _SWITCHES and not given:
            switches.add(name)
            continue
        if name not in _VALUES:
            raise UsageError(_unknown(word))
        if not given:
            following = next(rest, None)
            if following is None:
                raise UsageError(f"Missing value for {name}. Usage: {USAGE}")
            value = following
        if name == "--header":
            key, text = _header(value)
            headers[key] = text
        else:
            values[name] = value
    if "--url" not in values:
        raise UsageError(f"--url is required. Usage: {USAGE}")
    return Options(
        endpoint=read_endpoint(values["--url"]),
        cwd=os.path.abspath(values.get("--cwd", "")),
        headers=headers,
        call_timeout_ms=_number("--call-timeout", values) or None,
        token=values.get("--token"),
        token_file=values.get("--token-file"),
        autostart="--autostart" in switches,
        idle_exit=_number("--idle-exit", values) if "--idle-exit" in values else IDLE_EXIT_SECONDS,
    )


def _unknown(word: str) -> str:
    from callmux.cli.console import nearest

    kind = "option" if word.startswith("-") else "argument"
    return f'Unknown {kind} "{word}"{nearest(word, [*_VALUES, *_SWITCHES])}. Usage: {USAGE}'


def _number(name: str, values: Mapping[str, str]) -> int:
    text = values.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise UsageError(f'{name} must be a whole number of at least 0, not "{text}"')
    return int(text)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not name:
        raise UsageError("--header must use Name:Value format")
    if not _TOKEN.fullmatch(name):
        raise UsageError(f'--header: "{name}" is no name a header can have')
    if name.lower() in _OURS:
        raise UsageError(f"--header: the bridge itself sets {name}")
    if any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in value):
        raise UsageError(f"--header: the value of {name} holds characters that no header can carry")
    return name, value


def _headers(options: Options, env: Mapping[str, str], home: Path) -> dict[str, str]:
    """What is sent with every request: the user's own, where we are, and who we are."""
    given = {name.lower() for name in options.headers}
    headers = {name: v for name, v in options.headers.items() if not name.lower().startswith("x-callmux-c")}
    if options.cwd.isprintable():
        headers["x-callmux-cwd"] = options.cwd
    else:
        log.warning("the directory's name holds characters that no header can carry: it is not sent")
    headers["x-callmux-client"] = "stdio-bridge"
    if "authorization" in given:
        return headers
    token = find_token(options.endpoint, env, home, options.token, options.token_file)
    if token is not None:
        if token.source == "CALLMUX_TOKEN" and (options.token or options.token_file):
            log.warning("CALLMUX_TOKEN is set and comes before --token and --token-file")
        headers["Authorization"] = f"Bearer {token.value}"
    return headers


async def _serve(options: Options, headers: Mapping[str, str], revive: Revive | None) -> int:
    stopped = stop_signals()
    patience = AUTOSTART_PATIENCE if options.autostart else Patience()
    relay = Relay(options.endpoint, headers, options.call_timeout_ms, patience, revive)

    def flow(reading: bool) -> None:
        session.flow(reading)
        relay.flow(reading)

    transport = StdioTransport(lambda message: session.receive(message), flow)
    session = Session(relay, transport.send)
    await transport.open()
    # What exists by now lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    await first_of(transport.ended, transport.gone, stopped)
    if transport.ended.is_set() and not stopped.is_set():
        await first_of(session.quiet, transport.gone, stopped, seconds=LAST_ANSWERS_SECONDS)
    relay.leaving()
    await session.close()
    await transport.flush(1.0)
    await relay.close()
    return 0


def _run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Runs `work` on the fastest event loop there is."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("[callmux] %(message)s"))
    root = logging.getLogger("callmux")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False
