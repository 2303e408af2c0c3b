"""The plots of `docs/performance.md`.

Called by `benchmarks/performance.py`; needs the dependency group `docs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers import rounds
from peers.growth import CURVES
from peers.page import NOT_DIRECT, digest
from peers.products import BRIDGE, DIRECT, GUARDED_LISTENER, LISTENER, NPM, OURS, STDIO

PLOTS = ("performance-ways.svg", "performance-growth.svg")
COLOURS = {
    DIRECT: "#9aa0a6",
    OURS: "#188038",
    NPM: "#1a73e8",
    "FastMCP proxy": "#e8710a",
    "mcp-proxy": "#a142f4",
    "supergateway": "#12a4af",
    "slop-mcp": "#c5221f",
    "ContextForge": "#5f6b7a",
    "mcporter": "#b06000",
}
BARS = (
    ("p50_us", "p50, us"),
    ("per_s", "calls/s, 16 in flight"),
    ("cpu_us", "processor time a call, us"),
    ("pss_mb", "memory, MB"),
    ("start_ms", "start, ms"),
)
LINES = {
    "tools": ("list_ms", "one tools/list, ms"),
    "servers": ("start_ms", "start, ms"),
    "flight": ("per_s", "calls/s"),
    "connections": ("cpu_us", "processor time a call, us"),
    "sessions": ("cpu_us", "processor time a call, us, 16 at a time"),
    "size": ("ms", "a call, ms"),
}


def draw(record: dict[str, Any], folder: Path) -> None:
    """Writes both plots into `folder`."""
    import matplotlib

    matplotlib.use("svg")
    # Without a salt and a date of its own, the same figures would be another file every time.
    matplotlib.rcParams.update({"svg.hashsalt": "callmux", "svg.fonttype": "none", "font.size": 8})
    _ways(record, folder / PLOTS[0])
    _growth(record, folder / PLOTS[1])


def _saved(record: dict[str, Any], figure: Any, file: Path) -> None:
    from matplotlib import pyplot

    figure.patch.set_facecolor("white")
    figure.tight_layout()
    figure.savefig(
        file, bbox_inches="tight", metadata={"Date": None, "Description": f"figures {digest(record)}"}
    )
    pyplot.close(figure)


def _ways(record: dict[str, Any], file: Path) -> None:
    """Bars: a row a way, a column a figure; the axis grows by powers of ten."""
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter

    ways = [way for way in (STDIO, LISTENER, BRIDGE, GUARDED_LISTENER) if way in record["table"]]
    figure, axes = pyplot.subplots(
        len(ways), len(BARS), figsize=(3 * len(BARS), 1.9 * len(ways)), squeeze=False
    )
    for row, way in zip(axes, ways, strict=True):
        for axis, (key, title) in zip(row, BARS, strict=True):
            found = {
                name: value
                for name, one in record["table"][way].items()
                if (value := rounds.middle(one, key)) and (name != DIRECT or key not in NOT_DIRECT)
            }
            bars = axis.barh(list(found), list(found.values()), color=[COLOURS[name] for name in found])
            axis.bar_label(bars, [f"{value:,.0f}" for value in found.values()], padding=2, fontsize=7)
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.margins(x=0.25)
            axis.invert_yaxis()
            axis.set_title(f"{way}: {title}", loc="left", fontsize=8)
            axis.spines[["top", "right"]].set_visible(False)
    _saved(record, figure, file)


def _growth(record: dict[str, Any], file: Path) -> None:
    """Lines: one panel a curve, both axes by powers of ten."""
    from matplotlib import pyplot

    names = [name for name in LINES if name in record["growth"]]
    figure, axes = pyplot.subplots(
        -(-max(1, len(names)) // 2), 2, figsize=(10, 3.2 * -(-max(1, len(names)) // 2)), squeeze=False
    )
    spare = [axis for row in axes for axis in row]
    for axis, name in zip(spare, names, strict=False):
        key, title = LINES[name]
        by_point = record["growth"][name]
        for product in COLOURS:
            points = {
                int(point): value
                for point, rows in by_point.items()
                if product in rows
                and (product != DIRECT or key not in NOT_DIRECT)
                and (value := rounds.middle(rows[product], key))
            }
            if points:
                axis.plot(
                    list(points),
                    list(points.values()),
                    marker="o",
                    markersize=3,
                    label=product,
                    color=COLOURS[product],
                    linewidth=2 if product == OURS else 1,
                )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel(CURVES[name].title)
        axis.set_title(title, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=7)
    for axis in spare[len(names) :]:
        axis.set_visible(False)
    _saved(record, figure, file)
