"""A listener without a network, whose servers are scripted and whose configuration is a real file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.clock import Clock
from callmux.config.load import load_config
from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.guard.guard import Guard
from callmux.process.host import Host
from callmux.process.observers import Observers
from callmux.serving.assembly import assemble
from callmux.serving.reading import ConfigReader
from callmux.upstream import pool as pool_module
from callmux.upstream.failures import lost
from tests.transport.http.asgi import Call
from tests.upstream.fake_link import FakeLink

TOKEN = "manage-me-please-1"
AUTH = {"mode": "bearer", "tokens": [{"id": "ops", "token": TOKEN}]}
MANAGED = {"enabled": True, "auth": AUTH}
BASE = "/management/v1"


class Place:
    """A listener with the server `a`."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        self.path = tmp_path / "config.json"
        self.state = tmp_path / "config.json.management.json"
        self.links: dict[str, FakeLink] = {}
        self.opened: list[str] = []
        self.all_links: list[tuple[str, FakeLink]] = []
        monkeypatch.setattr(pool_module, "open_link", self._open)
        document = {"servers": {"a": {"command": "a"}}, "management": MANAGED, **more}
        self.write(document)
        self.document = document
        sources = Sources()
        config = self.load(sources)
        clock = Clock()
        self.host = Host(config, tmp_path, {}, lambda name, line: None, single=False, clock=clock)
        self.reading = ConfigReader(self.load, config, sources.document)
        self.guard = Guard(clock, self.host.bus)
        self.observers = Observers(self.host.bus, tmp_path, clock, lambda text: None, listens=True)
        self.observers.configure(config)
        self.listener, self.app, self.trees = assemble(
            self.host, self.guard, self.observers, self.reading, b"k" * 32, clock, loopback=True
        )
        self.host.start(None)

    def write(self, document: Any) -> None:
        self.path.write_text(json.dumps(document))

    def load(self, sources: Sources, overlay: Overlay | None = None) -> Config:
        return load_config(self.path, {}, sources=sources, overlay=overlay).config

    def _open(self, name: str, config: Any, around: Any, scope: Any) -> FakeLink:
        self.opened.append(name)
        if name == "bad":
            raise lost("no such command", started=False)
        tools = {"tools": [{"name": t, "inputSchema": {"type": "object"}} for t in ("t", "u")]}
        answer = {"content": [{"type": "text", "text": f"from {name}"}]}
        self.links[name] = FakeLink(tools__call=answer, tools__list=tools)
        self.all_links.append((name, self.links[name]))
        return self.links[name]

    async def ask(
        self, method: str, path: str, body: Any = None, token: str | None = TOKEN, **headers: str
    ) -> Call:
        """The answer to a request below the path of the interface."""
        given = {"host": "localhost", **headers}
        if token is not None:
            given["authorization"] = f"Bearer {token}"
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        call = Call(method, path if path.startswith("/") else f"{BASE}/{path}", given, data, query.encode())
        await self.app(call.scope, call.receive, call.send)
        return call

    async def tools(self) -> dict[str, list[str]]:
        await self.host.runtime.settled()
        answer = await self.ask("GET", "servers")
        assert answer.status == 200, answer.body
        return {server["name"]: server["tools"] for server in answer.json["servers"]}

    async def close(self) -> None:
        await self.guard.close()
        await self.host.close()
        self.observers.close()
