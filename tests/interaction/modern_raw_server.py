"""A `RawServer` of a revision without a handshake: it says who it is when it is asked, and greets nobody."""

from __future__ import annotations

from typing import Any

from .raw_server import Answer, Call, Handler, Json, Peer, RawServer, Refusal

REVISION = "2026-07-28"
_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_MEMBERS = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


class ModernRawServer(RawServer):
    """A server that speaks 2026-07-28 alone. Its answers are results without what the revision adds, as those
    of a `RawServer` are.

    Attributes:
        listens: The requests that hear of its changes, by the connection they came on.
    """

    def __init__(self, name: str = "raw", *, capabilities: Json | None = None) -> None:
        super().__init__(name, capabilities=capabilities)
        self.listens: list[tuple[Peer, Call]] = []
        for removed in ("ping", "logging/setLevel"):
            del self.handlers[removed]
        self.handlers["initialize"] = self._refuse
        self.answers("server/discover", self._discovered)
        self.handlers["subscriptions/listen"] = self._listen

    def answers(self, method: str, body: Answer | Handler) -> ModernRawServer:
        if method in ("resources/subscribe", "resources/unsubscribe", "logging/setLevel"):
            return self
        super().answers(method, body)
        inner = self.handlers[method]

        def complete(call: Call) -> Any:
            result = inner(call)
            if isinstance(result, bytes):
                return b'{"resultType":"complete","ttlMs":0,"cacheScope":"public",' + result[1:]
            return {"resultType": "complete", "ttlMs": 0, "cacheScope": "public", **result}

        self.handlers[method] = complete
        return self

    def changes(self, kind: str) -> None:
        """Tells whoever listens that a list has changed."""
        for peer, call in self.listens:
            if peer.open and call.params["notifications"].get(_MEMBERS[kind]):
                params = {"_meta": {_SUBSCRIPTION: call.id}}
                peer.tell(f"notifications/{kind}/list_changed", params, about=call)

    def _discovered(self, call: Call) -> Json:
        about = {"io.modelcontextprotocol/serverInfo": {"name": self.name, "version": "1"}}
        return {"supportedVersions": [REVISION], "capabilities": self.capabilities, "_meta": about}

    def _refuse(self, call: Call) -> None:
        raise Refusal({"code": -32022, "message": "no", "data": {"supported": [REVISION]}})

    def _listen(self, call: Call) -> None:
        self.listens.append((call.peer, call))
        told = {"notifications": call.params["notifications"], "_meta": {_SUBSCRIPTION: call.id}}
        call.tell("notifications/subscriptions/acknowledged", told)
