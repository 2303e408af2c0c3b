"""Sign-ins that a person begins from a client: by an address of this machine that leads to the authorization
server.

Made by `callmux.process.sign_ins`. An entrance is open for one server while somebody is expected, for
minutes: its port is the one that `callmux login` uses.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer
from callmux.oauth.device import DeviceCode
from callmux.oauth.failure import SignInFailed
from callmux.oauth.receiver import HOST, PATH, Receiver, ports_for
from callmux.oauth.settings import account_of, looked_up
from callmux.oauth.sign_in import sign_in
from callmux.stores.tokens import TokenStore
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

SECONDS = 600.0
"""How long an entrance is open."""


class Entrance:
    """The way in to one server.

    Args:
        name: The server's key.
        config: Its entry.
        store: Where tokens are kept.
        env: The environment.
        base_dir: The directory of the configuration file.
        closed: Told once it is closed, and whether somebody has signed in.
        seconds: How long it is open.
    """

    def __init__(
        self,
        name: str,
        config: HttpServer,
        store: TokenStore,
        env: Mapping[str, str],
        base_dir: Path,
        closed: Callable[[bool], None],
        seconds: float = SECONDS,
    ) -> None:
        self._name = name
        self._config = config
        self._store = store
        self._env = env
        self._base_dir = base_dir
        self._closed = closed
        self._seconds = seconds
        self._receiver = Receiver(name)
        self._tasks = TaskSet(f'entrance to "{name}"')
        self._attempt: asyncio.Task[None] | None = None
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"Entrance({self._name!r})"

    async def open(self) -> str | None:
        """The address that a person opens in a browser of this machine; None where no port is free."""
        port = (self._config.oauth or OAuth()).callback_port
        url = account_of(self._name, self._config).url
        if not await self._receiver.open(ports_for(f"{self._name} {url}", port)):
            return None
        self._tasks.spawn(self._wait())
        return self._receiver.lead(secrets.token_urlsafe(24), self._begin)

    async def close(self) -> None:
        """Closes it now."""
        if not self._over.done():
            self._over.set_result(False)
        await self._receiver.close()
        await self._tasks.cancel()

    async def _wait(self) -> None:
        """Closes the entrance once somebody has signed in, or nobody came."""
        came = False
        try:
            async with asyncio.timeout(self._seconds):
                came = await asyncio.shield(self._over)
        except TimeoutError:
            log.info('nobody came to sign in to "%s"', self._name)
        finally:
            self._closed(came)
            await self._receiver.close()

    async def _begin(self) -> str:
        """Begins a sign-in, in place of one that was begun before. Gives the authorization URL.

        Raises:
            SignInFailed: There is none.
        """
        if self._attempt is not None:
            self._attempt.cancel()
        presenter = _PagePresenter(self._receiver)
        self._attempt = self._tasks.spawn(self._sign_in(presenter))
        return await presenter.location

    async def _sign_in(self, presenter: _PagePresenter) -> None:
        try:
            config = await looked_up(self._config, self._base_dir, self._env)
            await sign_in(self._name, config, self._store, presenter, env=self._env, base_dir=self._base_dir)
        except SignInFailed as failure:
            log.warning('nobody is signed in to "%s": %s', self._name, failure.reason)
            if not presenter.location.done():
                presenter.location.set_exception(failure)
            return
        finally:
            # Whoever still waits for the way would wait in vain.
            presenter.location.cancel()
        if not self._over.done():
            self._over.set_result(True)


class _PagePresenter:
    """A presenter whose person sits at a browser that has come to our page."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.location: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def redirect_uri(self) -> str:
        return f"http://{HOST}:{self._receiver.port}{PATH}"

    async def authorize(self, url: str, state: str) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def take(text: str) -> None:
            if not answer.done():
                answer.set_result(text)

        self._receiver.expect(state, take)
        self.location.set_result(url)
        return await answer

    async def show_code(self, code: DeviceCode) -> None:
        """Leads to the page where the code is entered."""
        self.location.set_result(code.complete_url or code.url)
