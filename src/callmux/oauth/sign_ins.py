"""All sign-ins that one process relies on: one set of tokens an account, whoever uses it.

Made by `callmux.process.sign_ins`. While a person is awaited, it looks whether he has signed in meanwhile, in
whatever process, and says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from callmux.config.servers import HttpServer
from callmux.oauth.credentials import SignInCredentials, UnsignedCredentials
from callmux.oauth.failure import SignInFailed
from callmux.oauth.renewal import Renewal
from callmux.oauth.settings import account_of, settings_of
from callmux.stores.sign_ins import Account
from callmux.stores.tokens import TokenStore
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often is looked whether a person who is awaited has signed in."""


class SignIns:
    """The sign-ins.

    Args:
        store: Where they are kept.
        env: Where `env:NAME` leads.
        base_dir: The directory of the configuration file.
        needed: Told once of each account whose person must sign in.
        signed_in: Told when he has.
        wall: The time of day.
    """

    def __init__(
        self,
        store: TokenStore,
        env: Mapping[str, str],
        base_dir: Path,
        needed: Callable[[Account], None] = lambda account: None,
        signed_in: Callable[[Account], None] = lambda account: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._env = env
        self._base_dir = base_dir
        self._told = needed
        self._signed_in = signed_in
        self._wall = wall
        self._tasks = TaskSet("sign-ins")
        self._renewals: dict[Account, Renewal] = {}
        self._awaited: set[Account] = set()
        self._of_nobody: set[Account] = set()

    def __repr__(self) -> str:
        return f"SignIns({len(self._renewals)} accounts, {len(self._awaited)} awaited)"

    def credentials(
        self,
        name: str,
        config: HttpServer,
        headers: Mapping[str, str],
        owner: str = "",
        learn: Callable[[str], None] = lambda secret: None,
    ) -> SignInCredentials:
        """The credentials of a new link.

        Args:
            name: The server's key.
            config: Its entry, its references looked up.
            headers: Its headers and those of the client.
            owner: The principal on whose behalf it is.
            learn: Told of each token, so that it is hidden in what the server says.
        """
        account = account_of(name, config, owner)
        settings = settings_of(name, config, self._env, self._base_dir)
        renewal = self._renewals.get(account)
        if renewal is None:
            renewal = Renewal(account, settings, self._store, self._tasks, self._wall)
            self._renewals[account] = renewal
        renewal.settings = settings
        return SignInCredentials(renewal, headers, lambda found: self._is_needed(renewal, found), learn)

    def of_nobody(self, name: str, config: HttpServer, headers: Mapping[str, str]) -> UnsignedCredentials:
        """The credentials of a link that serves no principal, where sign-ins belong to principals."""
        if config.oauth is None:
            cause = (
                "the server wants a sign-in, and the listener has auth: write "
                '"oauth": {} into its entry, so that each principal signs in, or "signIn": "shared"'
            )
        else:
            cause = f"each principal must sign in: run `callmux login {name} --principal PRINCIPAL`"
        return UnsignedCredentials(headers, cause, lambda: self._tell_once(account_of(name, config)))

    async def close(self) -> None:
        """Ends what goes on by itself; a renewal that is under way gets its time."""
        await self._tasks.cancel()

    def _tell_once(self, account: Account) -> None:
        if account not in self._of_nobody:
            self._of_nobody.add(account)
            self._told(account)

    def _is_needed(self, renewal: Renewal, generation: int) -> None:
        if renewal.account not in self._awaited:
            self._awaited.add(renewal.account)
            self._told(renewal.account)
            self._tasks.spawn(self._wait(renewal, generation))

    async def _wait(self, renewal: Renewal, before: int) -> None:
        """Waits until there is a newer sign-in than the one that was found wanting."""
        try:
            while (now := _generation(renewal)) is None or now == before:
                await asyncio.sleep(LOOK_SECONDS)
            log.info('"%s" is signed in to', renewal.account.server)
        finally:
            self._awaited.discard(renewal.account)
        self._signed_in(renewal.account)


def _generation(renewal: Renewal) -> int | None:
    """The generation of the sign-in; None where there is none that can be read."""
    try:
        return renewal.kept().generation
    except SignInFailed:
        return None
