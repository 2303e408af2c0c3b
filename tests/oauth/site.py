"""A web site whose every answer is scripted, on this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from aiohttp import web


class Seen(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Answer = tuple[int, dict[str, str], bytes]


class Site:
    """The site.

    Attributes:
        url: Its address.
        answers: What it gives for each path: an answer, a JSON value, or what makes one of the request.
        seen: The requests that came.
    """

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Any] = {}
        self.seen: list[Seen] = []

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [seen.path for seen in self.seen]

    def described(self, **server: Any) -> None:
        """Its root is an authorization server that describes itself, and `/mcp` a server that needs it."""
        self.answers["/.well-known/oauth-protected-resource/mcp"] = {
            "resource": f"{self.url}/mcp",
            "authorization_servers": [self.url],
        }
        self.answers["/.well-known/oauth-authorization-server"] = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "registration_endpoint": f"{self.url}/register",
            "code_challenge_methods_supported": ["S256"],
            **server,
        }

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(request.method, request.path, dict(request.headers), await request.read())
        self.seen.append(seen)
        answer = self.answers.get(request.path, (404, {}, b""))
        if callable(answer):
            make: Callable[[Seen], Any] = answer
            answer = make(seen)
        if not isinstance(answer, tuple):
            answer = 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
        status, headers, body = answer
        return web.Response(status=status, headers=headers, body=body)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Runs a site."""
    made = Site()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", made._answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        where = web.TCPSite(runner, "127.0.0.1", 0)
        await where.start()
        port = runner.addresses[0][1]
        made.url = f"http://127.0.0.1:{port}"
        yield made
    finally:
        await runner.cleanup()
