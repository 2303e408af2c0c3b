"""The methods of MCP that callmux tells from others by their names. Pure.

Called by `callmux.process.host` and `callmux.process.runtime` (what of a client's notifications goes to
servers), `callmux.process.oversight`, `callmux.observe.telemetry` and `callmux.rings.cache`; by
`callmux.session.dispatch` and `callmux.session.modern.serving` (what is answered because it was declared); by
`callmux.session.modern.request`, `callmux.upstream.rounds` and `callmux.rings.visiting` (what may be answered
with a question).
"""

from __future__ import annotations

from callmux.protocol import extensions
from callmux.protocol.apps import EXTENSION
from callmux.protocol.params import members

RESOURCES_READ = "resources/read"
MAY_ASK = frozenset({"prompts/get", RESOURCES_READ, "tools/call"})
"""Requests in the middle of which a client may be asked something (MCP 2026-07-28, basic/patterns/mrtr,
"Supported Requests")."""
REQUESTS = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "tasks/cancel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/update",
        "tools/call",
        "tools/list",
        *extensions.METHODS,
    }
)
"""What clients ask of servers. Without an id, a server that looks at no id would do it all the same, and no
rule, approval or limit would have seen it."""
HARMLESS = frozenset(
    {
        "notifications/cancelled",
        "notifications/initialized",
        "notifications/progress",
        "notifications/roots/list_changed",
    }
)
"""Notifications that change nothing at a server."""

SUBSCRIBE = "resources.subscribe"
CAPABILITIES = {
    "completion/complete": "completions",
    "logging/setLevel": "logging",
    "prompts/get": "prompts",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/read": "resources",
    "resources/subscribe": SUBSCRIBE,
    "resources/templates/list": "resources",
    "resources/unsubscribe": SUBSCRIBE,
    "tools/list": "tools",
}
"""Requests that only some servers answer -> what these declare."""


def declared(capabilities: bytes) -> frozenset[str]:
    """What capabilities declare of the above, and the identifiers of extensions.

    Args:
        capabilities: As JSON.
    """
    given = members(capabilities)
    found = {name for name, raw in given.items() if bytes(raw) != b"null"}
    if not found:
        # Whoever declares nothing at all may have tools all the same.
        found.add("tools")
    if bytes(members(given.get("resources")).get("subscribe", b"")) == b"true":
        found.add(SUBSCRIBE)
    found.update(members(given.get("extensions")))
    if EXTENSION in found:
        # Pages of tools are resources, whether or not there are others.
        found.add("resources")
    return frozenset(found)
