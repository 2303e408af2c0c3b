"""The page itself: one document that loads nothing from elsewhere. Pure.

Served by `callmux.dashboard.pages`. Its front end is not built yet: the page says where the data is.
"""

from __future__ import annotations

HEADERS = {
    "cache-control": "no-cache, no-store, must-revalidate",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
KIND = "text/html; charset=utf-8"
PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>callmux dashboard</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
code { font-family: ui-monospace, monospace }
</style>
</head>
<body>
<h1>callmux dashboard</h1>
<p>This version of callmux has no page with charts yet. Its data is here, as JSON, below the address of
this page:</p>
<ul>
<li><code>data</code>: what runs, the latest events, and what was counted</li>
<li><code>events</code>: the same, and each event as it happens</li>
<li><code>series?range=1h</code>: counts over time; also <code>today</code>, <code>yesterday</code>,
<code>7d</code>, <code>30d</code></li>
<li><code>drilldown?range=1h</code>: calls by server, tool and session, where <code>eventStore</code>
is on</li>
</ul>
</body>
</html>
"""
