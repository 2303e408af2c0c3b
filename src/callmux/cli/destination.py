"""Which listener a command talks to, and what goes along: the directory, headers, the token.

Called by `callmux.cli.conversing` and `callmux.cli.doctor`. Held to what a shell command may load: see
`tests/cli/test_call.py`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from callmux.bridge.credentials import find_token, kept_for
from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.cli.headers import read_headers
from callmux.cli.parsing import Given, refusal
from callmux.errors import UsageError
from callmux.shell.failure import ShellFailed

DEFAULT_URL = "http://127.0.0.1:4860/mcp"

_AUTHORITY = re.compile(r"(?P<origin>[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)/?(?P<query>\?.*)?")


class Destination(NamedTuple):
    """A listener and what goes with every request.

    Attributes:
        endpoint: Where it is.
        headers: The user's own, the directory, who we are, the token.
        identity: What was shown for credentials, as a sentence without its end.
        seconds: How long all of it may take; None for no bound.
    """

    endpoint: Endpoint
    headers: dict[str, str]
    identity: str
    seconds: float | None


def read_destination(given: Given, env: Mapping[str, str], home: Path) -> Destination:
    """The listener that a command line names.

    Args:
        given: With the flags of `callmux.cli.grammar.shared.REACHING`.

    Raises:
        UsageError: A flag cannot be understood.
        ShellFailed: The token cannot be read.
    """
    try:
        endpoint = read_endpoint(completed(given.text("--url") or DEFAULT_URL))
    except UsageError as error:
        raise ShellFailed(f"invalid listener URL: {error.message}") from None
    try:
        own = read_headers(given.all("--header"))
    except UsageError as error:
        raise refusal(given.command, error.message) from None
    headers = {name: value for name, value in own.items() if not name.lower().startswith("x-callmux-c")}
    directory = os.path.abspath(given.text("--cwd") or "")
    if directory.isprintable():
        headers["x-callmux-cwd"] = directory
    headers["x-callmux-client"] = "cli"
    milliseconds = given.number("--call-timeout")
    identity = _authorize(given, endpoint, headers, env, home)
    return Destination(endpoint, headers, identity, milliseconds / 1000 if milliseconds else None)


def completed(url: str) -> str:
    """`url` with `/mcp` where it has no path."""
    match = _AUTHORITY.fullmatch(url)
    return f"{match['origin']}/mcp{match['query'] or ''}" if match else url


def _authorize(
    given: Given, endpoint: Endpoint, headers: dict[str, str], env: Mapping[str, str], home: Path
) -> str:
    if any(name.lower() == "authorization" for name in headers):
        return "sent the Authorization of --header"
    try:
        token = find_token(endpoint, env, home, given.text("--token"), given.text("--token-file"))
    except UsageError as error:
        raise ShellFailed(error.message) from None
    if token is not None:
        headers["Authorization"] = f"Bearer {token.value}"
        if token.source == "CALLMUX_TOKEN" and (given.text("--token") or given.text("--token-file")):
            note = "[callmux] CALLMUX_TOKEN is set and comes before --token and --token-file"
            print(note, file=sys.stderr)
        return f"sent the token of {token.source}"
    other = kept_for(home)
    if other is not None:
        return f"sent no token (the kept one belongs to {other})"
    return "sent no token (none configured)"
