"""Class names that stand in more than one module, with the reason. Read by `tests/test_architecture.py`."""

from __future__ import annotations

PEERS = "what the two peers say, each to its own session or connection; nobody imports both peers"
SIDES = "each within its package or part; no module names two of them"
SAME_NAME: dict[str, tuple[tuple[str, ...], str]] = {
    "Action": (("protocol.client_peer", "protocol.upstream_peer"), PEERS),
    "Answer": (("doctor.listener", "rings.shield.worker", "setup.probing"), SIDES),
    "Connection": (("bridge.client", "upstream.connection"), SIDES),
    "Entry": (("clients.entry", "shell.payload", "upstream.catalogue"), SIDES),
    "Events": (("bridge.keeper", "upstream.events"), SIDES),
    "Exchange": (("doctor.listener", "transport.http.exchange", "upstream.exchanges"), SIDES),
    "Found": (("setup.found", "upstream.catalogue"), SIDES),
    "Health": (("bridge.autostart", "upstream.health"), SIDES),
    "HttpServer": (("config.servers", "transport.http.serve"), SIDES),
    "Item": (("migrate.plan", "upstream.inventory.offer"), SIDES),
    "Job": (("rings.ring", "rings.shield.worker"), SIDES),
    "Key": (("clients.keys", "config.check", "stores.cache"), SIDES),
    "Kind": (
        ("config.kinds", "protocol.client_peer", "protocol.upstream_peer", "upstream.inventory.offer"),
        "of keys, of messages, of lists: each is named beside what it is a kind of",
    ),
    "Limits": (("clients.limits", "rings.shield.compact"), SIDES),
    "Link": (("bridge.link", "upstream.links.link"), SIDES),
    "Listener": (("transport.http.listener", "upstream.links.link"), SIDES),
    "Listings": (("bridge.listings", "upstream.inventory.listings"), SIDES),
    "Malformed": (("protocol.jsonrpc", "rings.references.recognition"), SIDES),
    "Options": (("cli.bridge", "cli.listen"), SIDES),
    "Order": (("rings.order", "rings.shield.reply"), SIDES),
    "Outcome": (("daemon.apply", "metatools.children", "shell.outcome"), SIDES),
    "Owner": (
        ("bridge.resuming", "bridge.stream"),
        "the link, as far as each of the two knows it: never named elsewhere",
    ),
    "Place": (
        (
            "clients.registry",
            "daemon.plan",
            "rings.references.files",
            "upstream.links.web",
            "upstream.resources",
        ),
        SIDES,
    ),
    "Plan": (
        ("daemon.plan", "migrate.plan", "plan", "setup.plan"),
        "what a command will do, as the plan of a request is what a request will do",
    ),
    "Policy": (
        ("rings.cache.policy", "rings.shield.policy"),
        "the shield's is named with its module, `policy`; the cache's by itself",
    ),
    "Questions": (("bridge.questions", "upstream.questions"), SIDES),
    "Refusal": (("bridge.failures", "transport.http.exchange"), SIDES),
    "Refused": (("config.kinds", "process.control_sockets", "upstream.links.web"), SIDES),
    "ReplyReceived": (("protocol.client_peer", "protocol.upstream_peer"), PEERS),
    "Request": (
        ("metatools.recipes", "protocol.jsonrpc", "session.request"),
        "the message is `jsonrpc.Request` where the request of a session is known, too",
    ),
    "Server": (("demo.servers.wire", "setup.inventory", "upstream.server"), SIDES),
    "Session": (("protocol.http_client", "session.session"), SIDES),
    "Settings": (("clients.limits", "router.compress"), SIDES),
    "State": (("migrate.state", "protocol.peer", "upstream.health"), SIDES),
    "Step": (("daemon.plan", "metatools.pipeline"), SIDES),
    "Stream": (("bridge.stream", "transport.http.streams"), SIDES),
    "Tool": (("demo.servers.wire", "protocol.shapes"), SIDES),
    "ToolCall": (("bridge.tool_call", "plan"), "the bridge decides from the call as it came; it has no plan"),
    "Unanswered": (("doctor.listener", "protocol.unanswered"), SIDES),
    "Verdict": (("rings.route", "setup.judging", "upstream.links.web"), SIDES),
}
"""Class name -> (the modules that have one, why that is no trouble)."""
