"""What stands in the place of the page where it was not built: how to build it, and where the data is. Pure.

Used by `callmux.dashboard.built`.
"""

from __future__ import annotations

UNBUILT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>callmux dashboard</title>
</head>
<body>
<h1>callmux dashboard</h1>
<p>The page was not built: wheels of callmux carry it, a checkout has it once you have run this, which
needs Node.js 20.19 or newer:</p>
<pre><code>scripts/dashboard</code></pre>
<p>Then install callmux again from the checkout (<code>pip install .</code>; an editable installation has the
page at once), and start callmux again. Its data is here all the same, as JSON, below the address of this
page:</p>
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
