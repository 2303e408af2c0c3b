"""The plots of `docs/context.md`. Called by `benchmarks/context.py`; needs the dependency group `docs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from replay.catalogues import ALL, OWN, PLAIN
from replay.figures import Figures
from replay.measuring import DIRECT, TOGETHER
from replay.page import LEAN, META, NPM, OURS
from replay.tasks import TASKS

COLOURS = ("#9aa0a6", "#5f6b7a", "#188038", "#1a73e8", "#12a4af", "#e8710a")


def draw(figures: Figures, folder: Path) -> None:
    """Writes both plots into `folder`."""
    ways = (DIRECT, TOGETHER, LEAN, OURS, META, NPM)
    titles = [task.TITLE for task in TASKS.values()]
    by_way = {way: [figures.tasks[name][way].read for name in TASKS] for way in ways}
    _bars(folder / "context-read.svg", "Tokens read over all turns", titles, by_way, figures.digest())
    servers = [key for key in figures.catalogues if key not in (ALL, OWN)]
    modes = (PLAIN, "balanced", "aggressive")
    sizes = {mode: [figures.catalogues[key][mode].tokens for key in servers] for mode in modes}
    _bars(folder / "context-catalogues.svg", "Tokens of the definitions", servers, sizes, figures.digest())


def _bars(
    file: Path, title: str, rows: Sequence[str], series: Mapping[str, Sequence[int]], digest: str
) -> None:
    import matplotlib

    matplotlib.use("svg")
    # Without a salt and a date of its own, the same figures would be another file every time.
    matplotlib.rcParams.update({"svg.hashsalt": "callmux", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    height = 0.8 / len(series)
    figure, axes = pyplot.subplots(figsize=(8, 0.35 + 0.19 * len(rows) * len(series)))
    for number, (label, values) in enumerate(series.items()):
        places = [row + number * height for row in range(len(rows))]
        bars = axes.barh(places, values, height, label=label, color=COLOURS[number])
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=3, fontsize=7)
    axes.set_yticks([row + 0.4 - height / 2 for row in range(len(rows))], rows)
    axes.invert_yaxis()
    axes.set_title(title, loc="left")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.patch.set_facecolor("white")
    figure.savefig(file, bbox_inches="tight", metadata={"Date": None, "Description": f"figures {digest}"})
    pyplot.close(figure)
