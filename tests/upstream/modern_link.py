"""A server without a handshake, at the end of a link: it says who it is, and listens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from callmux.protocol.versions import Era
from callmux.upstream.connection import Connection
from callmux.upstream.opening.known_era import KnownEra
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_connection import Ears

DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {"listChanged": True}, "resources": {"subscribe": True}},
    "ttlMs": 0,
    "cacheScope": "private",
    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1"}},
}
SUBSCRIBED = "io.modelcontextprotocol/subscriptionId"
UNSUPPORTED = {"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"]}}


class RpcRefusal(Exception):
    """A JSON-RPC error that a scripted server answers with."""

    def __init__(self, error: Any) -> None:
        super().__init__(str(error))
        self.error = error


class ModernLink(FakeLink):
    """One link to one scripted server without a handshake.

    Attributes:
        sent: Every line, decoded.
        heads: The headers of each request, by its id.
        listens: The ids of the streams it was asked for.
        honours: Members of a filter that it acknowledges; None for no acknowledgement at all.
    """

    def __init__(self, **script: Any) -> None:
        super().__init__(**{"server__discover": DISCOVERED, "initialize": RpcRefusal(UNSUPPORTED), **script})
        self.sent: list[Any] = []
        self.heads: dict[int, Mapping[str, str]] = {}
        self.listens: list[int] = []
        self.honours: set[str] | None = {"toolsListChanged", "promptsListChanged", "resourceSubscriptions"}

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        message = json.loads(line)
        self.sent.append(message)
        answer = self.script.get(message["method"])
        if message["method"] == "server/discover" and callable(answer):
            answer = answer(message["params"])
            if not isinstance(answer, RpcRefusal):
                self.heard.append((message["method"], message["params"]))
                self.says_soon({"id": id, "result": answer})
                return
        if isinstance(answer, RpcRefusal):
            self.heard.append((message["method"], message.get("params")))
            self.says_soon({"id": id, "error": answer.error})
        elif message["method"] == "subscriptions/listen":
            self.heard.append((message["method"], message["params"]))
            assert id is not None
            self.listens.append(id)
            self.acknowledge(id, message["params"]["notifications"])
        else:
            super().send(line, id, last)

    def acknowledge(self, id: int, wanted: Any) -> None:
        if self.honours is not None:
            told = {name: value for name, value in wanted.items() if name in self.honours}
            self.tells("notifications/subscriptions/acknowledged", id, notifications=told)

    def tells(self, method: str, id: int, **params: Any) -> None:
        """A notification of a stream, a turn later."""
        self.says_soon({"method": method, "params": {**params, "_meta": {SUBSCRIBED: id}}})

    def requests(self, method: str) -> list[Any]:
        """The params of every request of a method."""
        return [message.get("params") for message in self.sent if message["method"] == method]


class HttpModernLink(ModernLink):
    """The same, where requests have headers."""

    def label(self, id: int, head: Mapping[str, str]) -> None:
        self.heads[id] = head


async def modern(link: ModernLink | None = None, **script: Any) -> tuple[Connection, ModernLink, Ears]:
    """A connection to such a server, open."""
    link, ears = link or ModernLink(**script), Ears()
    connection = Connection("s", link, ears.hooks(), Era.MODERN)
    await connection.open(b'{"name":"callmux"}', b"{}", 60, KnownEra())
    assert connection.stateless is not None
    return connection, link, ears
