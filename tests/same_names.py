"""Class names that stand in more than one module, with the reason. Read by `tests/test_architecture.py`."""

from __future__ import annotations

PEERS = "what the two peers say, each to its own session or connection; nobody imports both peers"
SIDES = "each within its package or part; no module names two of them"
SAME_NAME: dict[str, tuple[tuple[str, ...], str]] = {
    "Action": (("protocol.client_peer", "protocol.upstream_peer"), PEERS),
    "Connection": (("bridge.client", "upstream.connection"), SIDES),
    "Events": (("bridge.keeper", "upstream.events"), SIDES),
    "Exchange": (("doctor.listener", "transport.http.exchange", "upstream.exchanges"), SIDES),
    "Found": (("setup.found", "upstream.catalogue"), SIDES),
    "Health": (("bridge.autostart", "upstream.health"), SIDES),
    "HttpServer": (("config.servers", "transport.http.serve"), SIDES),
    "Item": (("migrate.plan", "upstream.inventory.offer"), SIDES),
    "Kind": (
        ("config.kinds", "protocol.client_peer", "protocol.upstream_peer"),
        "of keys, of messages: each is named beside what it is a kind of",
    ),
    "Limits": (("clients.limits", "rings.shield.compact"), SIDES),
    "Link": (("bridge.link", "upstream.links.link"), SIDES),
    "Listener": (("library.listener", "transport.http.listener", "upstream.links.link"), SIDES),
    "Listings": (("bridge.listings", "upstream.inventory.listings"), SIDES),
    "Malformed": (("protocol.jsonrpc", "rings.references.recognition"), SIDES),
    "Listening": (("session.modern.listening", "upstream.listening"), SIDES),
    "Questions": (("bridge.questions", "upstream.questions"), SIDES),
    "Refusal": (("bridge.failures", "transport.http.exchange"), SIDES),
    "ReplyReceived": (("protocol.client_peer", "protocol.upstream_peer"), PEERS),
    "Request": (
        ("protocol.jsonrpc", "session.request"),
        "the message is `jsonrpc.Request` where the request of a session is known, too",
    ),
    "Session": (("protocol.failure_points", "session.session"), SIDES),
    "Settings": (("clients.limits", "router.compress"), SIDES),
    "State": (("protocol.peer", "upstream.health"), SIDES),
    "Stateless": (("bridge.stateless", "upstream.stateless"), SIDES),
    "Step": (("daemon.plan", "metatools.pipeline"), SIDES),
    "Stream": (("bridge.stream", "transport.http.streams"), SIDES),
    "Tool": (("demo.servers.wire", "protocol.shapes"), SIDES),
    "Unanswered": (("doctor.listener", "protocol.unanswered"), SIDES),
}
"""Class name -> (the modules that have one, why that is no trouble)."""
