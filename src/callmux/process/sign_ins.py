"""The sign-ins of one process, made when its first server at a URL is connected.

Made by `callmux.process.servers`, which hands `credentials` to links. Where nothing can be kept, because
there is no home directory, nobody signs in and requests go out as they are configured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from callmux.config.servers import HttpServer
from callmux.context import ClientPort, Scope
from callmux.observe.bus import Bus
from callmux.observe.facts import SignInNeeded
from callmux.places import known_state_dir
from callmux.upstream.links.credentials import Credentials, FixedHeaders
from callmux.upstream.visits import VISIT_OVER, Visits

if TYPE_CHECKING:
    from callmux.oauth.entrance import Entrance
    from callmux.oauth.sign_ins import SignIns
    from callmux.stores.sign_ins import Account
    from callmux.stores.tokens import Safe, TokenStore

MOST_INVITED = 100
"""Invitations to one server whose clients are told when somebody has signed in."""


class LateSignIns:
    """Sign-ins that are there once somebody needs them.

    Args:
        env: The environment.
        base_dir: The directory of the configuration file.
        bus: Hears that a person must sign in.
        signed_in: Told the server's name when he has.
        tokens: Makes the store of a directory and a safe; one of this machine where absent.

    Attributes:
        visits: Tells those who wait that he has.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        base_dir: Path,
        bus: Bus | None = None,
        signed_in: Callable[[str], None] = lambda server: None,
        tokens: Callable[[Path, Safe | None], TokenStore] | None = None,
    ) -> None:
        self._tokens = tokens
        self._env = env
        self._base_dir = base_dir
        self._bus = bus or Bus()
        self._signed_in = signed_in
        self._made: SignIns | None = None
        self._entrances: dict[str, tuple[Entrance, str | None]] = {}
        self._invited: dict[str, list[tuple[ClientPort, str]]] = {}
        self._opening = asyncio.Lock()
        self.visits = Visits()

    def __repr__(self) -> str:
        return f"LateSignIns({self._made!r})"

    def credentials(
        self,
        name: str,
        config: HttpServer,
        headers: Mapping[str, str],
        scope: Scope,
        learn: Callable[[str], None] = lambda secret: None,
    ) -> Credentials:
        """The credentials of a new link.

        Args:
            name: The server's key.
            config: Its entry.
            headers: Its headers, looked up, and those of the client; none of them holds credentials.
            scope: On whose behalf it is.
            learn: Told of each secret, so that it is hidden in what the server says.
        """
        if known_state_dir(self._env) is None:
            return FixedHeaders(headers)
        if self._made is None:
            from callmux.oauth.sign_ins import SignIns

            self._made = SignIns(
                self._store(),
                self._env,
                self._base_dir,
                self._needed,
                lambda account: self._signed_in(account.server),
            )
        if config.apart and not scope.owner:
            return self._made.of_nobody(name, config, headers)
        return self._made.credentials(name, config, headers, scope.owner, learn)

    async def invite(self, name: str, config: HttpServer, client: ClientPort) -> dict[str, Any] | None:
        """What a client is to show its person, so that he can sign in (MCP 2025-11-25, client/elicitation);
        None where no way in can be opened. The client is told when somebody has.

        Args:
            name: The server's key.
            config: Its entry.
            client: The client.
        """
        from callmux.oauth.entrance import Entrance

        async with self._opening:
            if name not in self._entrances:
                entrance = Entrance(
                    name,
                    config,
                    self._store(),
                    self._env,
                    self._base_dir,
                    lambda came: self._closed(name, came),
                )
                self._entrances[name] = entrance, await entrance.open()
        _, address = self._entrances[name]
        if address is None:
            del self._entrances[name]
            return None
        invited = self._invited.setdefault(name, [])
        from secrets import token_urlsafe

        invited.append((client.session, id := token_urlsafe(12)))
        del invited[:-MOST_INVITED]
        message = f'"{name}" wants you to sign in. Elsewhere than on this machine: callmux login {name}'
        return {"mode": "url", "elicitationId": id, "url": address, "message": message}

    def _closed(self, name: str, came: bool) -> None:
        self._entrances.pop(name, None)
        for client, id in self._invited.pop(name, ()):
            self.visits.over(id)
            if came:
                client.notify(VISIT_OVER, msgspec.json.encode({"elicitationId": id}))

    def _store(self) -> TokenStore:
        from callmux.stores.token_safe import keyring_safe
        from callmux.stores.tokens import TokenStore, token_directory

        return (self._tokens or TokenStore)(token_directory(self._env), keyring_safe(self._env))

    async def close(self) -> None:
        """Ends what goes on by itself."""
        for entrance, _ in list(self._entrances.values()):
            await entrance.close()
        if self._made is not None:
            await self._made.close()

    def _needed(self, account: Account) -> None:
        if self._bus.hears(SignInNeeded):
            self._bus.publish(SignInNeeded(server=account.server))
