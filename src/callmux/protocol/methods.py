"""The methods of MCP that callmux tells from others by their names. Pure.

Called by `callmux.process.host` and `callmux.process.runtime` (what of a client's notifications goes to
servers), `callmux.process.oversight`, `callmux.observe.telemetry` and `callmux.rings.cache`.
"""

from __future__ import annotations

RESOURCES_READ = "resources/read"
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
        "tools/call",
        "tools/list",
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
