"""The stdio row of the budgets: a server driven directly, through callmux, and through another multiplexer.

    python benchmarks/stdio.py [--against "node .../callmux.js"] [--rounds 5] [--calls 2000] [--curves]
                               [--callmux "..."] [--json FILE]

Everything runs in one go, interleaved: round by round each product gets a fresh process, and medians over the
rounds are compared, so that a busy machine slows all of them. Needs the development dependencies.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from driver import Driver
from peers.budgets import ADDED, budget
from peers.products import STDIO

SERVER = Path(__file__).with_name("server.py")
DIRECT, OURS, OTHER = "direct", "callmux", "other"

TOOLS = [1, 10, 100, 1000]
IN_FLIGHT = [1, 4, 16, 64, 256]
SIZES = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]

ROWS = (
    # the figure here, in words, and its budget: ratios against the other product
    ("added_us", "added latency p50, us", budget(STDIO, ADDED)),
    ("per_s", "calls/s, 16 in flight", budget(STDIO, "per_s")),
    ("mb", "resident memory, MB", budget(STDIO, "pss_mb")),
    ("start_ms", "start to tools/list, ms", budget(STDIO, "start_ms")),
)

Figures = dict[str, float]


class Products:
    """The commands to compare, for a server with any number of tools."""

    def __init__(self, callmux: str, against: str | None, folder: Path) -> None:
        self._prefixes = {OURS: shlex.split(callmux)}
        if against:
            self._prefixes[OTHER] = shlex.split(against)
        self._folder = folder

    @property
    def names(self) -> list[str]:
        return [DIRECT, *self._prefixes]

    def command(self, name: str, tools: int) -> list[str]:
        args = [str(SERVER), "--tools", str(tools)]
        if name == DIRECT:
            return [sys.executable, *args]
        config = self._folder / f"{tools}.json"
        # Large results are to come through whole, so that the same bytes are compared.
        document = {
            "servers": {"bench": {"command": sys.executable, "args": args}},
            "responseShield": {"enabled": False},
        }
        config.write_text(json.dumps(document), "utf-8")
        return [*self._prefixes[name], "--config", str(config)]

    def interleaved(self, rounds: int) -> Iterator[str]:
        """Every product once a round, each round beginning with another one."""
        for n in range(rounds):
            turn = n % len(self.names)
            yield from self.names[turn:] + self.names[:turn]


def medians(samples: Sequence[Figures]) -> Figures:
    return {key: median(sample[key] for sample in samples) for key in samples[0]}


async def one_round(command: list[str], calls: int) -> Figures:
    async with Driver(command) as driver:
        await driver.calls(max(1, calls // 10))
        took = await driver.calls(calls)
        per_s = await driver.throughput(calls * 5, 16)
        return {
            "p50_us": median(took) * 1e6,
            "per_s": per_s,
            "mb": driver.megabytes(),
            "start_ms": driver.start_ms,
        }


async def row(products: Products, rounds: int, calls: int) -> dict[str, Figures]:
    """The figures of each product over all rounds."""
    samples: dict[str, list[Figures]] = {name: [] for name in products.names}
    for name in products.interleaved(rounds):
        samples[name].append(await one_round(products.command(name, 10), calls))
    found = {name: medians(of) for name, of in samples.items()}
    for figures in found.values():
        figures["added_us"] = figures["p50_us"] - found[DIRECT]["p50_us"]
    return found


async def curves(products: Products, rounds: int, calls: int) -> dict[str, dict[str, dict[int, Figures]]]:
    """Curve -> product -> point -> figures."""
    found: dict[str, dict[str, dict[int, list[Figures]]]] = {}

    def add(curve: str, name: str, point: int, figures: Figures) -> None:
        found.setdefault(curve, {}).setdefault(name, {}).setdefault(point, []).append(figures)

    for name in products.interleaved(rounds):
        for tools in TOOLS:
            async with Driver(products.command(name, tools)) as driver:
                took = await driver.calls(calls)
                figures = {
                    "start_ms": driver.start_ms,
                    "list_ms": driver.list_ms,
                    "p50_us": median(took) * 1e6,
                    "mb": driver.megabytes(),
                }
                add("tools", name, tools, figures)
        async with Driver(products.command(name, 1)) as driver:
            await driver.calls(calls)
            for in_flight in IN_FLIGHT:
                per_s = await driver.throughput(max(calls, in_flight * 4), in_flight)
                add("in flight", name, in_flight, {"per_s": per_s})
        async with Driver(products.command(name, 1)) as driver:
            for size in SIZES:
                took = await driver.calls(max(3, min(calls, 20_000_000 // size)), size)
                figures = {"ms": median(took) * 1000, "mb_per_s": size / median(took) / 1e6}
                add("result bytes", name, size, figures)
    return {
        curve: {name: {point: medians(of) for point, of in points.items()} for name, points in by.items()}
        for curve, by in found.items()
    }


def print_row(found: dict[str, Figures]) -> None:
    compared = OTHER in found
    heads = [*found, *(["ratio", "floor", "aim"] if compared else [])]
    print(f"{'':26}" + "".join(f"{head:>10}" for head in heads))
    print(f"{'latency p50, us':26}" + "".join(f"{found[name]['p50_us']:>10.0f}" for name in found))
    for figure, title, wanted in ROWS:
        line = f"{title:26}" + "".join(f"{found[name][figure]:>10.0f}" for name in found)
        if compared:
            ratio = found[OURS][figure] / found[OTHER][figure]
            met = wanted.meets(ratio, wanted.floor)
            line += f"{ratio:>9.2f}x{wanted.floor:>9.2f}x{wanted.aim:>9.2f}x"
            line += "" if met else "  below the floor"
        print(line.rstrip())


def print_curves(found: dict[str, dict[str, dict[int, Figures]]]) -> None:
    for curve, by_product in found.items():
        points = next(iter(by_product.values()))
        for figure in next(iter(points.values())):
            print(f"\n{curve + ': ' + figure:26}" + "".join(f"{name:>12}" for name in by_product))
            for point in points:
                cells = "".join(f"{by[point][figure]:>12,.1f}" for by in by_product.values())
                print(f"{point:>26,}{cells}")


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    products = Products(options.callmux, options.against, folder)
    shown: dict[str, Any] = {"row": await row(products, options.rounds, options.calls)}
    print_row(shown["row"])
    if options.curves:
        shown["curves"] = await curves(products, max(1, options.rounds // 2), max(1, options.calls // 5))
        print_curves(shown["curves"])
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--callmux", default=f"{shlex.quote(sys.executable)} -m callmux", help="the command to measure"
    )
    parser.add_argument("--against", help="a second product, such as callmux (npm)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000, help="calls one after the other, a round")
    parser.add_argument(
        "--curves", action="store_true", help="also over tools, calls in flight and result sizes"
    )
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
        if sys.platform == "win32":
            shown = asyncio.run(measure(options, Path(folder)))
        else:
            import uvloop

            shown = uvloop.run(measure(options, Path(folder)))
    if options.json:
        options.json.write_text(json.dumps(shown, indent=2), "utf-8")


if __name__ == "__main__":
    main()
