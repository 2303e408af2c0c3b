"""callmux beside other products, in one run: what docs/performance.md shows.

    python benchmarks/performance.py --write docs/performance.md          everything: about an hour
    python benchmarks/performance.py --quick --write docs/performance.md  less of it: about ten minutes
    python benchmarks/performance.py --only stdio --only sessions         some ways and curves, printed
    python benchmarks/performance.py --page docs/performance.md           the page, from what was recorded
    python benchmarks/performance.py --check                              is the page what was recorded?

Products take turns: each once a round, every round begins with another one, each time in a fresh process with
an empty home. Peers come from PyPI and npm into --cache, and never into this project's environment. Linux;
needs the development dependencies, npm, and for the plots the dependency group `docs`.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

from peers import rounds
from peers.contextforge import ContextForge
from peers.fetching import NODE, Missing
from peers.growth import CURVES
from peers.others import CallmuxNpm, FastMcp, Mcporter, McpProxy, Slop, Supergateway
from peers.page import claims, digest, page, paragraph
from peers.plots import PLOTS, draw
from peers.products import Callmux, Direct, Product, Setup
from peers.watching import machine
from peers.ways import WAYS, Effort

ROOT = Path(__file__).parents[1]
PRODUCTS: tuple[type[Product], ...] = (
    Direct,
    Callmux,
    CallmuxNpm,
    FastMcp,
    McpProxy,
    Supergateway,
    Slop,
    ContextForge,
    Mcporter,
)
EFFORTS = {
    # name: how much for a figure, rounds of the table, rounds of the curves
    "full": (Effort(), 5, 2),
    "quick": (Effort(warm=1500, lone=600, flood=5000, seconds=1.0, commands=3), 3, 1),
    "tiny": (Effort(warm=20, lone=10, flood=40, seconds=1.0, commands=1), 1, 1),
}
SAID = 200


class Run:
    """One run: the products that are here, and what came of them.

    Args:
        options: What was asked for.
        folder: For homes of products.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._homes = 0
        self._products: list[Product] = []
        self.record: dict[str, Any] = {"about": {}, "table": {}, "growth": {}, "not_run": {}}

    def fetch(self) -> None:
        """Puts the products into the cache; one that cannot be had is named as not run."""
        missing: dict[str, str] = {}
        for kind in PRODUCTS:
            if self._options.product and kind.name not in self._options.product:
                missing[kind.name] = "not asked for"
                continue
            product = kind(self._options.cache.absolute())
            try:
                product.fetch()
            except Missing as error:
                missing[kind.name] = str(error)
                print(f"{kind.name}: not run: {error}", flush=True)
            else:
                self._products.append(product)
        self.record["not_run"]["all"] = missing

    def table(self, count: int, effort: Effort) -> None:
        for way, measure in WAYS.items():
            if not self._wanted(way):
                continue
            rows = self.record["table"].setdefault(way, {})
            able = self._able(way, way)
            for n in range(count):
                for product in rounds.turned(able, n):
                    what = f"{way}, round {n + 1}"
                    self._measured(what, rows, product, way.endswith("guarded"), measure, effort)

    def growth(self, count: int, effort: Effort, few: bool) -> None:
        for name, curve in CURVES.items():
            if not self._wanted(name):
                continue
            points = curve.points
            if few:
                points = tuple(dict.fromkeys((points[0], points[len(points) // 2], points[-1])))
            by_point = self.record["growth"].setdefault(name, {})
            able = self._able(curve.way, name, curve.several, few)
            for turn in range(count):
                given_up: dict[str, int] = {}
                for n, point in enumerate(points):
                    rows = by_point.setdefault(str(point), {})
                    for product in rounds.turned(able, turn + n):
                        if (at := given_up.get(product.name)) is not None:
                            row = rows.setdefault(product.name, rounds.empty())
                            row["failed"].append(f"not tried, as it failed at {at:,}")
                            continue
                        what = f"{name} {point:,}, round {turn + 1}"
                        if not self._measured(what, rows, product, False, curve.measure, effort, point):
                            given_up[product.name] = point

    def _measured(
        self,
        what: str,
        rows: dict[str, rounds.Row],
        product: Product,
        guarded: bool,
        measure: Callable[..., rounds.Sample],
        *more: object,
    ) -> bool:
        """Measures a product once, in a new home, and tells what came of it; whether it went well."""
        self._homes += 1
        home = self._folder / f"home{self._homes}"
        home.mkdir()
        with open(self._folder / "noise", "w+b") as noise:
            setup = Setup(home, noise, guarded=guarded)
            row = rows.setdefault(product.name, rounds.empty())
            good = rounds.kept(row, partial(measure, product, setup, *more), partial(_last, noise))
        if good:
            shown = ", ".join(f"{key} {value:,.4g}" for key, value in row["samples"][-1].items())
        else:
            said = row["failed"].pop()
            for place, name in (
                (self._folder, "TMP"),
                (self._options.cache.absolute(), "CACHE"),
                (ROOT, "ROOT"),
            ):
                said = said.replace(str(place), name)
            row["failed"].append(said)
            shown = f"failed: {said}"
        print(f"{what}, {product.name}: {shown}", flush=True)
        return good

    def _wanted(self, name: str) -> bool:
        return not self._options.only or name in self._options.only

    def _able(self, way: str, under: str, several: bool = False, short: bool = False) -> list[Product]:
        """Who can do this; the others are named with the reason."""
        reasons = self.record["not_run"].setdefault(under, {})
        able = []
        for product in self._products:
            reason = product.cannot.get(way) or (product.several if several else "")
            reason = reason or (product.slow if short else "")
            if reason:
                reasons[product.name] = reason
            else:
                able.append(product)
        return able


def _last(noise: BinaryIO) -> str:
    """The last line that was written to standard error."""
    noise.seek(0)
    lines = [line.strip() for line in noise.read()[-2000:].decode(errors="replace").split("\n")]
    return next((line for line in reversed(lines) if line), "")[:SAID]


def about(options: argparse.Namespace, effort: Effort, counts: tuple[int, int]) -> dict[str, Any]:
    """What was measured on, and with what."""
    of = {kind.name: f"{kind.package} {kind.version}".strip() for kind in PRODUCTS}
    of["callmux"] = f"callmux {version('callmux')}, commit {_commit()}"
    ours = {name: version(name) for name in ("msgspec", "uvicorn", "httptools", "uvloop", "orjson")}
    return {
        **machine(),
        "date": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        "python": platform.python_version(),
        "versions": {**of, "Node.js": NODE, **ours},
        "rounds": counts[0],
        "growth rounds": counts[1],
        "effort": effort._asdict(),
        "words": _words(options),
    }


def _words(options: argparse.Namespace) -> str:
    """What was asked for, without where to write it."""
    effort = "quick" if options.quick else options.effort
    words = [] if effort == "full" else [f"--{effort}" if effort == "quick" else f"--effort {effort}"]
    words += [f"--rounds {options.rounds}"] if options.rounds else []
    words += [f"--growth-rounds {options.growth_rounds}"] if options.growth_rounds else []
    for name, given in (("--only", options.only), ("--product", options.product)):
        words += [shlex.join([name, one]) for one in given or ()]
    return " ".join(words)


def _commit() -> str:
    """The last one that changed the source."""
    try:
        words = ["git", "-C", str(ROOT), "log", "-1", "--format=%h", "--", "src"]
        return subprocess.check_output(words, text=True, stderr=subprocess.DEVNULL, timeout=10).strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the same as --effort quick")
    parser.add_argument("--effort", choices=list(EFFORTS), default="full")
    parser.add_argument("--rounds", type=int, help="rounds of the table")
    parser.add_argument("--growth-rounds", type=int, help="rounds of the curves")
    names = ", ".join([*WAYS, *CURVES])
    parser.add_argument("--only", action="append", help=f"one of {names}; repeatable")
    parser.add_argument("--product", action="append", help="one of them; repeatable")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "peers")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--record", type=Path, default=rounds.FILE, help="the figures that the page shows")
    parser.add_argument("--write", type=Path, help="the page to write, with its plots and record")
    parser.add_argument("--page", type=Path, help="the page to write from what was recorded before")
    parser.add_argument("--check", action="store_true", help="1 and what differs, unless the page is current")
    parser.add_argument("--root", type=Path, default=ROOT, help="where docs/ and README.md are")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - {*WAYS, *CURVES}:
        parser.error(f"--only knows {names}, and not {', '.join(sorted(unknown))}")
    if options.check:
        problems = outdated(rounds.loaded(options.record), options.root)
        print("".join(f"{problem}\n" for problem in problems), end="")
        return 1 if problems else 0
    if options.write and importlib.util.find_spec("matplotlib") is None:
        parser.error("--write draws plots: install matplotlib (the dependency group docs)")
    if options.page:
        write(rounds.loaded(options.record), options.page)
        return 0
    effort, count, growth_count = EFFORTS["quick" if options.quick else options.effort]
    counts = (options.rounds or count, options.growth_rounds or growth_count)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="callmux-bench-", ignore_cleanup_errors=True) as folder:
        run = Run(options, Path(folder))
        run.fetch()
        run.record["about"] = about(options, effort, counts)
        try:
            run.table(counts[0], effort)
            run.growth(counts[1], effort, few=options.quick or options.effort != "full")
        except KeyboardInterrupt:
            print("stopped: what was measured by now is kept", flush=True)
            run.record["about"]["note"] = "It was stopped before its end; what is missing was not measured."
    run.record["about"]["minutes"] = round((time.perf_counter() - began) / 60, 1)
    if options.json:
        rounds.saved(run.record, options.json)
    if options.write:
        rounds.saved(run.record, options.record)
        write(rounds.loaded(options.record), options.write)
    return 0


def write(record: dict[str, Any], path: Path) -> None:
    """The page, its plots beside it, and the README's paragraph above it, if there is one."""
    path.write_text(page(record), "utf-8")
    draw(record, path.parent)
    readme = path.parent.parent / "README.md"
    if readme.exists() and (before := paragraph(readme.read_text("utf-8"))):
        readme.write_text(readme.read_text("utf-8").replace(before, claims(record)), "utf-8")


def outdated(record: dict[str, Any], root: Path) -> list[str]:
    """What is not as the record gives it."""
    again = "run benchmarks/performance.py --page docs/performance.md"
    problems = []
    if (root / "docs" / "performance.md").read_text("utf-8") != page(record):
        problems.append(f"docs/performance.md is not what was recorded: {again}")
    if paragraph((root / "README.md").read_text("utf-8")) != claims(record):
        problems.append(f"README.md does not quote what was recorded: {again}")
    return problems + [
        f"docs/{plot} shows other figures: {again} (it needs the dependency group docs)"
        for plot in PLOTS
        if f"figures {digest(record)}" not in (root / "docs" / plot).read_text("utf-8")
    ]


if __name__ == "__main__":
    sys.exit(main())
