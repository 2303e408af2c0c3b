"""Two or three listeners in one process that are one for their clients, and a client that asks either."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp

from callmux import Listener
from callmux.nodes.cluster import Cluster
from tests.library.test_gateway import ENV, NOTES
from tests.redis_server import PATIENT, own_prefix

HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
GREETING: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "tester", "version": "1"},
}
KEY = "a key that all nodes have"


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.session: str = headers.get("mcp-session-id", "")
        self.kind: str = headers.get("content-type", "")
        self.headers = headers
        self.text = text

    def result(self) -> Any:
        """The result in it, whether it is JSON or the last event."""
        line = self.text if self.text.startswith("{") else self.text.rpartition("data: ")[2]
        return json.loads(line)["result"]


class Pair:
    """The nodes, and who asks them."""

    def __init__(self, http: aiohttp.ClientSession, nodes: list[Listener]) -> None:
        self.http = http
        self.nodes = nodes

    def cluster(self, n: int) -> Cluster:
        """How a node sees the others."""
        node = self.nodes[n]._running().node
        assert node is not None
        return node.cluster

    async def ask(
        self, n: int, id: int | None, method: str, session: str = "", *, headers: Any = None, **params: Any
    ) -> Answer:
        """Asks a node."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if id is not None:
            message["id"] = id
        return await self.send(n, "POST", session, json.dumps(message).encode(), headers)

    async def send(
        self, n: int, verb: str, session: str = "", body: bytes | None = None, headers: Any = None
    ) -> Answer:
        """Sends a node any request."""
        given = {**HEADERS, **({"mcp-session-id": session} if session else {}), **(headers or {})}
        data = BytesIO(body) if body is not None and len(body) > 1_000_000 else body
        async with self.http.request(verb, self.nodes[n].mcp_url, data=data, headers=given) as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def begin(self, n: int, **more: Any) -> str:
        """A session that a node begins."""
        answer = await self.ask(n, 1, "initialize", **{**GREETING, **more})
        assert answer.status == 200, answer.text
        assert (await self.ask(n, None, "notifications/initialized", answer.session)).status == 202
        return answer.session


@asynccontextmanager
async def nodes(
    redis_url: str, count: int = 2, servers: Any = None, node: Any = None, **config: Any
) -> AsyncIterator[Pair]:
    """Listeners that are one."""
    given = {
        "servers": {"notes": NOTES} if servers is None else servers,
        "state": {
            "url": redis_url,
            "keyPrefix": own_prefix(),
            "timeoutMs": int(PATIENT * 1000),
            "connectTimeoutMs": int(PATIENT * 1000),
            "key": "env:KEY",
            "node": {"listen": "127.0.0.1:0"} if node is None else node,
        },
        **config,
    }
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(Listener(given, env={**ENV, "KEY": KEY})) for _ in range(count)
        ]
        for one in made:
            await one.ready()
        http = await stack.enter_async_context(aiohttp.ClientSession())
        pair = Pair(http, made)
        connection = made[0]._running().shared.connection  # type: ignore[union-attr]
        await connection.run("HSET", connection.key("nodes"), "since", "1")
        for n in range(count):
            await pair.cluster(n).membership.beat()
        yield pair
