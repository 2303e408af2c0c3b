"""Reads and changes what is kept of an account: what fails says why no sign-in comes about.

Called by `callmux.oauth.sign_in` and `callmux.oauth.renewal`; `hold` by `callmux.cli.logout`, too. Waits for
the right to change an account without keeping the event loop from its work.
"""

from __future__ import annotations

import asyncio

from callmux.oauth.failure import SignInFailed, Why
from callmux.stores.sign_ins import Account, KeptAccount
from callmux.stores.tokens import Hold, HoldFailed, SafeFailed, TokenStore, TokensUnreadable

LOOK_SECONDS = 0.05


async def hold(store: TokenStore, account: Account, seconds: float) -> Hold:
    """The right to change an account; release it.

    Raises:
        SignInFailed: Another process has it all the time, or there can be none.
    """
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            held = store.hold(account)
        except OSError as error:
            raise SignInFailed(
                f"{store.path(account).parent} cannot be used ({error.strerror}): tokens cannot be kept",
                Why.SETTINGS,
            ) from None
        if held is not None:
            try:
                return await store.joined(account, held, end - asyncio.get_running_loop().time())
            except HoldFailed as error:
                raise SignInFailed(str(error), Why.NETWORK) from None
        if asyncio.get_running_loop().time() >= end:
            raise SignInFailed(
                "another callmux is busy with this sign-in: try again in a moment", Why.NETWORK
            )
        await asyncio.sleep(LOOK_SECONDS)


def read(store: TokenStore, account: Account) -> KeptAccount:
    """What is kept of an account.

    Raises:
        SignInFailed: It cannot be read.
    """
    try:
        return store.read(account)
    except TokensUnreadable as error:
        raise SignInFailed(str(error), Why.SETTINGS) from None


def write(store: TokenStore, account: Account, kept: KeptAccount) -> None:
    """Keeps something else of an account, which the caller holds.

    Raises:
        SignInFailed: It cannot be kept.
    """
    try:
        store.write(account, kept)
    except (OSError, SafeFailed) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise SignInFailed(f"the tokens cannot be kept: {reason}", Why.SETTINGS) from None
