"""An authority as a process, a person who always says yes, and a store: what tests of sign-ins need."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from callmux.config.servers import HttpServer
from callmux.oauth.device import DeviceCode
from callmux.oauth.sign_in import sign_in
from callmux.stores.sign_ins import Account, SignedIn
from callmux.stores.tokens import TokenStore
from tests.support import SECONDS, eventually, free_port, python

AUTHORITY = Path(__file__).with_name("authority.py")
REDIRECT = "http://127.0.0.1:{port}/callback"


class Agreeing:
    """A person who opens every page at once and says yes.

    Attributes:
        opened: The pages.
    """

    def __init__(self, port: int = 4242, change: Callable[[str], str] = lambda answer: answer) -> None:
        self.redirect_uri = REDIRECT.format(port=port)
        self.opened: list[str] = []
        self.shown: list[DeviceCode] = []
        self._change = change

    async def authorize(self, url: str, state: str) -> str:
        self.opened.append(url)
        async with aiohttp.ClientSession() as client, client.get(url, allow_redirects=False) as answer:
            assert answer.status in (302, 303), await answer.text()
            target = answer.headers["Location"]
        assert target.startswith(self.redirect_uri)
        return self._change(urlsplit(target).query)

    async def show_code(self, code: DeviceCode) -> None:
        self.shown.append(code)


class Guarded:
    """A server that wants a sign-in, and its authorization server.

    Attributes:
        url: The server's endpoint.
    """

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/mcp"

    def control(self, **knobs: Any) -> dict[str, Any]:
        """What it has counted; changes how it behaves first."""
        body = json.dumps(knobs).encode() if knobs else None
        asked = urllib.request.Request(f"{self.base}/control", data=body)
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def config(self, **more: Any) -> HttpServer:
        """Its entry."""
        return HttpServer(url=self.url, **more)

    def account(self, owner: str = "") -> Account:
        return Account("guarded", self.url, owner)

    async def sign_in(
        self, store: TokenStore, presenter: Agreeing | None = None, owner: str = "", **more: Any
    ) -> SignedIn:
        """A sign-in of a person who agrees."""
        return await sign_in(
            "guarded",
            self.config(**more),
            store,
            presenter or Agreeing(),
            env={},
            base_dir=Path("/"),
            owner=owner,
        )


@contextmanager
def guarded() -> Iterator[Guarded]:
    """Runs an authority."""
    server = Guarded(free_port())
    process = python(AUTHORITY, server.base.rpartition(":")[2])

    def answers() -> bool:
        assert process.poll() is None, "the authority has ended"
        try:
            server.control()
        except OSError:
            return False
        return True

    try:
        eventually(answers, "the authority")
        yield server
    finally:
        process.kill()
        process.communicate(timeout=SECONDS)
