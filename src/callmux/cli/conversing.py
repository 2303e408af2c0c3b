"""The session that a shell command has: with a running listener, or with a callmux that is started for it.

Called by `callmux.cli.call` and `callmux.cli.tools`. Held to what a shell command may load: see
`tests/cli/test_call.py`; what starts a child is imported where one is wanted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmux.cli.destination import Destination, read_destination
from callmux.cli.parsing import Given, refusal
from callmux.shell.conversation import Conversation

if TYPE_CHECKING:
    from callmux.shell.child import ChildConversation

_OF_LISTENERS = ("--url", "--header", "--token", "--token-file")


def converse(given: Given, config_option: str | None, what: str) -> Conversation | ChildConversation:
    """The session that a command line asks for.

    Args:
        given: With the flags of `callmux.cli.grammar.shared.REACHING`.
        config_option: The value of `--config`: its servers are started where no `--url` is given.
        what: What is about to be asked, for `--verbose`.

    Raises:
        UsageError: A flag cannot be understood, or two exclude each other.
        ShellFailed: The token cannot be read.
    """
    child = child_args(given, config_option)
    if child is None:
        to = read_destination(given, os.environ, Path.home())
        announce(given, to, what)
        return Conversation(to.endpoint, to.headers, to.identity, to.seconds, asked_here())
    from callmux.shell.child import ChildConversation

    milliseconds = given.number("--call-timeout")
    return ChildConversation(
        child,
        os.path.abspath(given.text("--cwd") or ""),
        milliseconds / 1000 if milliseconds else None,
        given.on("--verbose"),
        asked_here(),
    )


def asked_here() -> Callable[[dict[str, Any]], bytes] | None:
    """What answers for the person at the terminal, where one sees what is asked and can answer; where the
    result goes plays no part."""
    return _reply if sys.stdin.isatty() and sys.stderr.isatty() else None


def _reply(question: dict[str, Any]) -> bytes:
    # Imported only where something is asked: every call of a script would pay for it.
    from callmux.cli.decision import reply_to

    return reply_to(question)


def child_args(given: Given, config_option: str | None) -> list[str] | None:
    """What the child's command line is to be; None where a listener is meant.

    Raises:
        UsageError: Two flags exclude each other.
    """
    command, direct = given.text("--stdio"), given.on("--direct")
    if not (direct or command is not None or (config_option is not None and not given.on("--url"))):
        return None
    for flag in _OF_LISTENERS:
        if given.on(flag):
            other = "--stdio" if command is not None else "--direct" if direct else "--config"
            raise refusal(given.command, f"{flag} is for a listener, and {other} uses none: leave one out")
    if command is not None:
        if direct or config_option is not None:
            other = "--direct" if direct else "--config"
            raise refusal(given.command, f"--stdio names the server: leave {other} out")
        import shlex

        try:
            words = shlex.split(command)
        except ValueError as error:
            raise refusal(given.command, f"--stdio cannot be split into words ({error})") from None
        if not words:
            raise refusal(given.command, "--stdio needs the command of a server")
        return ["--strict-startup", "--", *words]
    args = [] if config_option is None else ["--config", os.path.abspath(config_option)]
    only = given.text("--server")
    # A single server that does not start is the answer; of many, the others are there.
    return args if only is None else [*args, "--only", only, "--strict-startup"]


def announce(given: Given, to: Destination, what: str) -> None:
    """The line of `--verbose`."""
    if given.on("--verbose"):
        print(f"[callmux] {what} via {to.endpoint.url} ({to.identity})", file=sys.stderr)
