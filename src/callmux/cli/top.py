"""`callmux top`: servers, calls that run and rates, in a terminal.

Called by `callmux.cli.main`. It asks the processes of this user through `callmux.cli.running`, or a listener
elsewhere for what its dashboard shows; what it makes of that is `callmux.cli.top_look`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from callmux.cli.grammar.top import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.cli.running import answers_of, places_of
from callmux.cli.top_look import Counts, ProcessRow, seen
from callmux.errors import CallmuxError, NotSupported

SECONDS = 5.0
"""How long an answer may take."""
USUAL_PATH = "/dashboard"
Look = Mapping[str, tuple[Mapping[str, Any], Counts | None]]
"""Status and counts of each callmux by its name."""


class NothingSeen(CallmuxError):
    """A listener elsewhere does not show what it does."""

    code = "nothing_seen"


def run(args: list[str], config_option: str | None, rounds: int | None = None) -> int:
    """Gives the exit code: 1 where nothing runs.

    Args:
        rounds: How often to look; until Ctrl-C where it is None.
    """
    given = read(COMMANDS[0], args)
    if given.on("--json") and not given.on("--once"):
        raise refusal(given.command, "--json goes with --once")
    look = looker(given, config_option, dict(os.environ))
    interval = float(given.number("--interval") or 2)
    if given.on("--once") or not sys.stdout.isatty():
        return _once(look, interval, as_json=given.on("--json"))
    try:
        return _watch(look, interval, rounds)
    except KeyboardInterrupt:
        # That is how it is ended.
        return 0


def looker(given: Given, config_option: str | None, env: dict[str, str]) -> Callable[[], Look]:
    """What looks at all that is meant."""
    url = given.text("--url")
    if url is not None:
        return _remote(given, url, env)
    if sys.platform == "win32":
        raise NotSupported("top needs Unix sockets here: use --url with a listener whose dashboard is on")

    def local() -> Look:
        found = answers_of(places_of(config_option, env), {"method": "top"}, SECONDS)
        return {
            f"process {pid}": (answer.get("status", {}), answer.get("counts"))
            for pid, answer in sorted(found.items())
        }

    return local


def _once(look: Callable[[], Look], interval: float, *, as_json: bool) -> int:
    first = look()
    if not first:
        print("No callmux runs here.", file=sys.stderr)
        return 1
    time.sleep(interval)
    rows = rows_of(look(), first, interval)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode({"processes": rows}), indent=2).decode())
        return 0
    from rich.console import Console

    from callmux.cli.top_screen import screen

    Console(highlight=False).print(screen(rows))
    return 0


def _watch(look: Callable[[], Look], interval: float, rounds: int | None) -> int:
    from rich.console import Console
    from rich.live import Live

    from callmux.cli.top_screen import screen

    before, shown = look(), 0
    if not before:
        print("No callmux runs here.", file=sys.stderr)
        return 1
    console = Console(highlight=False)
    with Live(screen(rows_of(before, {}, 0.0)), console=console, screen=True, auto_refresh=False) as live:
        while rounds is None or shown < rounds:
            time.sleep(interval)
            now = look()
            live.update(screen(rows_of(now, before, interval)), refresh=True)
            before, shown = now, shown + 1
    return 0


def rows_of(now: Look, before: Look, seconds: float) -> list[ProcessRow]:
    """Every callmux, with what happened since the look before."""
    return [
        seen(name, status, counts, before[name][1] if name in before else None, seconds)
        for name, (status, counts) in now.items()
    ]


def _remote(given: Given, url: str, env: dict[str, str]) -> Callable[[], Look]:
    from callmux.bridge.credentials import find_token
    from callmux.bridge.endpoint import read_endpoint
    from callmux.cli.headers import read_headers

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refusal(given.command, "--url must be an http or https address")
    base = url.rstrip("/") + (USUAL_PATH if parts.path in ("", "/") else "")
    headers = dict(read_headers(given.all("--header")))
    if not any(name.lower() == "authorization" for name in headers):
        token = find_token(
            read_endpoint(base), env, Path.home(), given.text("--token"), given.text("--token-file")
        )
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"

    def remote() -> Look:
        facts = _fetch(f"{base}/data", headers)
        servers = facts.get("metrics", {}).get("servers", [])
        counts = {
            str(row.get("server")): {
                "calls": row.get("downstream", 0),
                "failed": row.get("errors", 0),
                "milliseconds": row.get("totalDurationMs", 0),
            }
            for row in servers
        }
        return {base: (facts.get("status", {}), counts)}

    return remote


def _fetch(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    import urllib.error
    import urllib.request

    request = urllib.request.Request(url, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            found = msgspec.json.decode(answer.read())
    except urllib.error.HTTPError as error:
        hint = {401: "a token is needed", 404: "its dashboard is off, or elsewhere"}.get(error.code, "")
        raise NothingSeen(f"{url}: HTTP status {error.code}{f': {hint}' if hint else ''}") from None
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise NothingSeen(f"{url} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise NothingSeen(f"{url} is no dashboard of callmux")
    return found
