"""`callmux token`: makes bearer tokens, and the hashes of them that a configuration holds.

Called by `callmux.cli.main` and `callmux.cli.config`, whose `hash` is the same. Nothing is kept: a token is
shown once.
"""

from __future__ import annotations

import sys

from callmux.cli.console import print_json
from callmux.cli.grammar.token import COMMANDS
from callmux.cli.parsing import Given, read, refusal


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    given = read(COMMANDS[0], args)
    return show_hash(given, new=given.command.word == "new")


def show_hash(given: Given, *, new: bool) -> int:
    """Shows the hash of a token that is made, or comes from stdin."""
    from callmux.config.secrets import hash_token

    if new:
        import secrets

        token = secrets.token_urlsafe(32)
    elif sys.stdin.isatty():
        from getpass import getpass

        token = getpass("Token: ").strip()
    else:
        token = sys.stdin.read().strip()
    if not token.isascii() or not token.isprintable() or not token:
        raise refusal(given.command, "a token is one line of printable ASCII characters, and not empty")
    hashed = hash_token(token)
    if given.on("--json"):
        print_json({**({"token": token} if new else {}), "hash": hashed})
    else:
        print(f"token: {token}\nhash:  {hashed}" if new else hashed)
    return 0
