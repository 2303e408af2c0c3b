"""Waits for the right to change an account, without keeping the event loop from its work.

Called by `callmux.oauth.sign_in` and `callmux.oauth.renewal`.
"""

from __future__ import annotations

import asyncio

from callmux.oauth.failure import SignInFailed, Why
from callmux.stores.sign_ins import Account
from callmux.stores.tokens import Hold, TokenStore

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
            return held
        if asyncio.get_running_loop().time() >= end:
            raise SignInFailed(
                "another callmux is busy with this sign-in: try again in a moment", Why.NETWORK
            )
        await asyncio.sleep(LOOK_SECONDS)
