"""`callmux dashboard`: an address that signs one browser in to the dashboard of a running listener.

Called by `callmux.cli.main`; the way into the processes is `callmux.process.control`. The address has a code
in it that is good once: it is printed, and never an argument of another program.
"""

from __future__ import annotations

import os
import sys
from typing import Any
from urllib.parse import urlsplit

from callmux.cli.console import print_json
from callmux.cli.grammar.dashboard import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.cli.running import answers_of, places_of
from callmux.errors import NotSupported
from callmux.places import state_dir

SECONDS = 5.0
"""How long a process may take to answer."""
FILE = "dashboard.html"
_PAGE = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={0}">'
    '<a href="{0}">callmux dashboard</a>'
)


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code: 1 where there is no dashboard."""
    given = read(COMMANDS[0], args)
    if sys.platform == "win32":
        raise NotSupported("dashboard needs Unix sockets: sign in with a token of the configuration")
    env, base = dict(os.environ), _base(given)
    listening = _listening(config_option, env)
    found = {pid: _address(base, answer) for pid, answer in listening.items() if "code" in answer}
    if not found:
        print(_nothing(listening), file=sys.stderr)
        return 1
    if given.on("--open") and len(found) > 1:
        raise refusal(given.command, "several listeners have a dashboard: name one by --config")
    if given.on("--json"):
        print_json([{"pid": pid, "url": url} for pid, url in found.items()])
    else:
        for url in found.values():
            print(url)
        print("Good for one browser, for two minutes.", file=sys.stderr)
    return _open(next(iter(found.values())), env) if given.on("--open") else 0


def _listening(config_option: str | None, env: dict[str, str]) -> dict[int, dict[str, Any]]:
    """What listeners that run say, by process id."""
    request = {"method": "dashboard", "person": sys.stdin.isatty() and sys.stdout.isatty()}
    answers = answers_of(places_of(config_option, env), request, SECONDS)
    return {pid: answer for pid, answer in sorted(answers.items()) if answer.get("listening")}


def _nothing(listening: dict[int, dict[str, Any]]) -> str:
    if not listening:
        return "No listener with a configuration file runs here. Start one: callmux --listen 4860"
    where = ", ".join(str(answer.get("url")) for answer in listening.values())
    return (
        f'The listener at {where} has no dashboard. Set "dashboard": {{"enabled": true}} in its'
        " configuration: that takes effect at once."
    )


def _base(given: Given) -> str | None:
    """Where the browser finds the listener; None for where the listener says that it is.

    Raises:
        UsageError: What is given is no such address.
    """
    url = given.text("--url")
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_web = is_web and not parts.query and not parts.fragment and parts.username is None
    except ValueError:
        is_web = False
    if not is_web:
        raise refusal(given.command, "--url must be an http or https address without a user, ? and #")
    return url.rstrip("/")


def _address(base: str | None, answer: dict[str, Any]) -> str:
    own, path = str(answer["url"]), str(answer["path"])
    where = own if base is None else base.removesuffix(path)
    return f"{where}{path}/enter?code={answer['code']}"


def _open(url: str, env: dict[str, str]) -> int:
    """Opens a page in a browser; gives the exit code. Other users of the machine see the arguments of
    programs, so the browser gets a file that only its user may read."""
    import asyncio
    import html

    from callmux.cli.browser import opened, reason_against
    from callmux.private_files import write_private

    reason = reason_against(env)
    if reason is None:
        file = state_dir(env) / "run" / FILE
        shown = html.escape(url)
        write_private(file, _PAGE.format(shown).encode())
        if asyncio.run(opened(file.as_uri())):
            return 0
        reason = "no browser took the page"
    print(f"Not opened: {reason}. Open the address above.", file=sys.stderr)
    return 0
