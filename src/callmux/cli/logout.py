"""`callmux logout`: forgets tokens, and has them revoked.

Called by `callmux.cli.main`. What cannot be told to the authorization server is forgotten all the same.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from callmux.cli.grammar.logout import COMMANDS
from callmux.cli.login import remote_servers
from callmux.cli.parsing import read, refusal
from callmux.cli.signing_in import own_store
from callmux.config.load import LoadedConfig, find_config, load_config, target_config
from callmux.config.servers import HttpServer
from callmux.errors import CallmuxError
from callmux.oauth.failure import SignInFailed
from callmux.oauth.holding import hold
from callmux.oauth.revocation import revoke
from callmux.oauth.settings import account_of
from callmux.stores.sign_ins import NOTHING
from callmux.stores.tokens import SafeFailed, TokensUnreadable

HOLD_SECONDS = 30.0


class SignOutFailed(CallmuxError):
    """A sign-in that could not be forgotten."""

    code = "sign_out_failed"


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code: 1 where there was no sign-in."""
    given = read(COMMANDS[0], args)
    name = given.word(0)
    if (name is None) != given.on("--all"):
        raise refusal(given.command, "name one server, or give --all")
    find_config(config_option, os.environ, Path.home())
    loaded = load_config(target_config(config_option, os.environ, Path.home()), os.environ)
    servers = remote_servers(loaded, name)
    try:
        gone = asyncio.run(_logout(servers, loaded, given.text("--principal") or ""))
    except SignInFailed as failure:
        raise SignOutFailed(failure.reason) from None
    if not gone:
        print(
            "There is no sign-in to forget." if name is None else f'"{name}" has no sign-in.', file=sys.stderr
        )
        return 1
    return 0


async def _logout(servers: dict[str, HttpServer], loaded: LoadedConfig, owner: str) -> list[str]:
    store, gone = own_store(os.environ), []
    for name, server in servers.items():
        account = account_of(name, server, owner)
        with await hold(store, account, HOLD_SECONDS):
            try:
                kept = store.read(account)
            except TokensUnreadable as error:
                print(f'"{name}": {error}; it is forgotten', file=sys.stderr)
                kept = None
            if kept is NOTHING:
                continue
            try:
                # First: whatever becomes of the revocation, nobody here uses them any more.
                store.remove(account)
            except (OSError, SafeFailed) as error:
                raise SignOutFailed(f'the sign-in to "{name}" cannot be forgotten: {error}') from None
        gone.append(name)
        end = "forgotten here"
        if kept is not None and kept.signed_in is not None:
            try:
                told = await revoke(
                    name,
                    server,
                    kept.signed_in,
                    env=os.environ,
                    base_dir=loaded.base_dir,
                    wall=time.time(),
                )
                end = "revoked and forgotten" if told else "forgotten (its authorization server revokes none)"
            except SignInFailed as failure:
                end = f"forgotten here, but not revoked: {failure.reason}"
        print(f'The sign-in to "{name}" is {end}.')
    return gone
