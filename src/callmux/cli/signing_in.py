"""Signs in to a configured server at this terminal, and knows where sign-ins are kept.

Called by `callmux.cli.login` and `callmux.cli.logout`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from callmux.cli.presenting import SECONDS, at_this_terminal
from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer
from callmux.oauth.failure import SignInFailed
from callmux.oauth.settings import account_of, looked_up
from callmux.oauth.sign_in import sign_in
from callmux.secrets.vault import system_keyring
from callmux.stores.sign_ins import SignedIn
from callmux.stores.token_safe import keyring_safe
from callmux.stores.tokens import TokenStore, token_directory


class Manner(NamedTuple):
    """How somebody signs in.

    Attributes:
        owner: The principal whose sign-in it is; empty where there is one user, or all share it.
        device: Whether to sign in by a code at another device, whatever the configuration says.
        browser: Whether a browser may be opened here.
        seconds: How long the person has.
    """

    owner: str = ""
    device: bool = False
    browser: bool = True
    seconds: float = SECONDS


def own_store(env: Mapping[str, str]) -> TokenStore:
    """The sign-ins of this user."""
    return TokenStore(token_directory(env), keyring_safe(env))


def place_of(env: Mapping[str, str]) -> str:
    """Where sign-ins are kept, in words."""
    keyring, why = system_keyring(env)
    if keyring is not None:
        return "the system's keyring"
    return f"a file of mode 0600 in {token_directory(env)} ({why})"


async def sign_in_here(
    name: str, config: HttpServer, base_dir: Path, manner: Manner, env: Mapping[str, str] | None = None
) -> SignedIn:
    """Signs in; the tokens are kept when it returns.

    Args:
        name: The server's key.
        config: Its entry, variables filled in.
        base_dir: The directory of the configuration file.
        manner: How.
        env: The environment, in place of this process's.

    Raises:
        SignInFailed: It did not come about.
    """
    env = os.environ if env is None else env
    config = await looked_up(config, base_dir, env)
    oauth = config.oauth or OAuth()
    if manner.device:
        oauth = msgspec.structs.replace(oauth, grant="device_code")
        config = msgspec.structs.replace(config, oauth=oauth)
    async with at_this_terminal(
        name,
        account_of(name, config).url,
        port=oauth.callback_port,
        browser=manner.browser,
        seconds=manner.seconds,
        env=env,
    ) as presenter:
        work = sign_in(
            name, config, own_store(env), presenter, env=env, base_dir=base_dir, owner=manner.owner
        )
        if oauth.grant != "device_code":
            # The presenter itself waits no longer.
            return await work
        try:
            async with asyncio.timeout(manner.seconds):
                return await work
        except TimeoutError:
            reason = f'nobody entered the code within {manner.seconds:g} s: run "callmux login {name}" again'
            raise SignInFailed(reason) from None
