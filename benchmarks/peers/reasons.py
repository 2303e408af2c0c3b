"""Why a peer is better in a figure, as far as it was looked into.

By product, way or curve ("" for any), and figure. `page` says of a figure without a reason that it was not
looked for.
"""

from __future__ import annotations

from peers.products import CALL_ALONE, NPM

_COMPILED = (
    "it is a compiled program: there is no interpreter to load, where CPython with the modules of callmux "
    "takes about 20 MB before the first call"
)
_NO_IMPORTS = (
    "it is a compiled program without modules to import, and lists tools of its own, so that its first list "
    "does not wait for the server; callmux's first list has the server's tools"
)
_OWN_TOOLS = "it lists the same few tools of its own, however many the servers have"
_WHOLE_START = (
    "for a call without a listener callmux starts all that a session has (event loop, guardian, rings) and "
    "ends it again; mcporter starts one client"
)
_WAITS = (
    "where other work wants the cores, waiting for one decides; in a run that had them first (five rounds) "
    "the median was 0.27x on stdio and 0.08x at a listener"
)
_WAKES = (
    "each call wakes another of so many processes, and where other work wants the cores, waiting for one "
    "decides; in a run that had them first callmux made 2.8 times as many calls at 20 servers, and 2.5 times "
    "as many at 50"
)
_OPENS = (
    "where other work wants the cores, waiting for one decides; in a run that had them first it was 0.58x at "
    "100 and 0.75x at 2,000"
)

REASONS: dict[tuple[str, str, str], str] = {
    (NPM, "", "p99_us"): _WAITS,
    (NPM, "servers", "per_s"): _WAKES,
    (NPM, "sessions", "open_ms"): _OPENS,
    ("slop-mcp", "", "pss_mb"): _COMPILED,
    ("slop-mcp", "", "start_ms"): _NO_IMPORTS,
    ("slop-mcp", "tools", "list_ms"): _OWN_TOOLS,
    ("mcporter", CALL_ALONE, "whole_ms"): _WHOLE_START,
    ("mcporter", CALL_ALONE, "cpu_ms"): _WHOLE_START,
}
