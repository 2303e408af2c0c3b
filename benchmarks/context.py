"""What callmux does to an agent's context: measures it, writes docs/context.md, says whether that is current.

    python benchmarks/context.py --measure [--against "node .../callmux.js"] [--catalogues DIR]
                                                  replay/figures.json, and then what --write does
    python benchmarks/context.py --clients        the same, for simulated clients and the shell alone
    python benchmarks/context.py --write          docs/context.md, its plots and the README's paragraph
    python benchmarks/context.py --check          1 and what differs, unless these are what the figures give
    python benchmarks/context.py --compare TASK   1 unless TASK costs what the figures say, within 2 %
    python benchmarks/context.py --record [TASK]  the traces, again, with real servers (see replay/record.py)
    python benchmarks/context.py --record-others  those of the four other tasks (see replay/others/record.py)
    python benchmarks/context.py --measure-others their figures alone, and then what --write does

Needs the development dependencies; plots need the dependency group `docs`, recording needs git and Node.js.
Without `--against` and `--catalogues` the figures that need them stay as they are.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from replay.catalogues import measure_catalogues, measure_formats
from replay.figures import Figures
from replay.measuring import DIRECT, ORDERED, SHELL, TOGETHER, measure, measure_persona, measure_shell
from replay.others import OTHERS, report
from replay.page import MARK, claims, page
from replay.recording import listings
from replay.tasks import TASKS

from callmux.router.personas import TABLE

ROOT = Path(__file__).parents[1]
PLOTS = ("context-read.svg", "context-catalogues.svg")
TOLERANCE = 0.02
"""Within this part of a figure a change is a word in a definition, not another behaviour."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--clients", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--compare", metavar="TASK", choices=[*TASKS, *OTHERS])
    parser.add_argument("--record", metavar="TASK", nargs="*", choices=list(TASKS))
    parser.add_argument("--record-others", action="store_true")
    parser.add_argument("--measure-others", action="store_true")
    parser.add_argument("--callmux", default=f"{sys.executable} -m callmux")
    parser.add_argument("--against", help="the command of callmux (npm)")
    parser.add_argument("--catalogues", type=Path, help="a folder of tool lists")
    parser.add_argument("--root", type=Path, default=ROOT, help="where docs/ and README.md are")
    options = parser.parse_args()
    if options.record is not None:
        from replay.record import record

        for task in options.record or TASKS:
            print(f"{task}: {len(record(task).calls)} calls")
    if options.record_others:
        from replay.others.record import record_others

        for task, calls in record_others().items():
            print(f"{task}: {calls} calls")
    products = {False: shlex.split(options.callmux)}
    if options.against:
        products[True] = shlex.split(options.against)
    if options.measure:
        _measure(products, options.catalogues).save()
    if options.measure or options.clients:
        figures = Figures.load()
        _measure_clients(figures, products[False])
        figures.save()
    if options.measure or options.measure_others:
        _measure_others(products)
    if options.measure or options.clients or options.measure_others or options.write:
        _write(Figures.load(), options.root)
    problems = []
    if options.check:
        problems += _outdated(Figures.load(), options.root)
    if options.compare:
        problems += _changed(options.compare, products)
    print("".join(f"{problem}\n" for problem in problems), end="")
    return 1 if problems else 0


def _measure(products: dict[bool, list[str]], catalogues: Path | None) -> Figures:
    try:
        figures = Figures.load()
    except FileNotFoundError:
        figures = Figures()
    figures.about = {key: server["about"] for key, server in listings().items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, task in TASKS.items():
            found = measure(name, task, products, Path(folder))
            figures.tasks[name] = figures.tasks.get(name, {}) | found
            print(f"{name}: " + ", ".join(f"{way} {cost.read:,}" for way, cost in found.items()))
        if catalogues is not None:
            found_sizes = measure_catalogues(catalogues, products, Path(folder))
            for key, sizes in found_sizes.items():
                figures.catalogues[key] = figures.catalogues.get(key, {}) | sizes
            figures.formats = measure_formats(catalogues, products[False], Path(folder))
    return figures


def _measure_clients(figures: Figures, command: list[str]) -> None:
    """What kinds of clients make of the tasks, and an agent with a shell."""
    with tempfile.TemporaryDirectory() as folder:
        for name, task in TASKS.items():
            figures.tasks[name][SHELL] = measure_shell(name, task, Path(folder))
            print(f"{name}: {SHELL} {figures.tasks[name][SHELL].read:,}")
            for persona in TABLE:
                found = measure_persona(name, task, persona, command, Path(folder))
                for mode, fit in found.items():
                    figures.personas.setdefault(persona.name, {}).setdefault(mode, {})[name] = fit
                print(f"{name}, {persona.name}: " + ", ".join(f"{m} {f.read:,}" for m, f in found.items()))


def _measure_others(products: dict[bool, list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        costs = report.measure_others(products, Path(folder))
    report.save(costs, report.measure_ordered())
    for name, found in costs.items():
        print(f"{name}: " + ", ".join(f"{way} {cost.read:,}" for way, cost in found.items()))


def _write(figures: Figures, root: Path) -> None:
    (root / "docs" / "context.md").write_text(page(figures), "utf-8")
    readme = root / "README.md"
    text = readme.read_text("utf-8")
    if (paragraph := _paragraph(text)) is None:
        raise SystemExit(f"{readme} has no paragraph that begins with {MARK}")
    readme.write_text(text.replace(paragraph, claims(figures)), "utf-8")
    from replay.plots import draw

    draw(figures, root / "docs")


def _paragraph(readme: str) -> str | None:
    """The README's paragraph with the figures, its mark and the end of its last line included."""
    if MARK not in readme:
        return None
    return readme[readme.index(MARK) :].partition("\n\n")[0].rstrip("\n") + "\n"


def _outdated(figures: Figures, root: Path) -> list[str]:
    again = "run benchmarks/context.py --write"
    problems = []
    if (root / "docs" / "context.md").read_text("utf-8") != page(figures):
        problems.append(f"docs/context.md is not what the figures give: {again}")
    if _paragraph((root / "README.md").read_text("utf-8")) != claims(figures):
        problems.append(f"README.md does not quote the figures: {again}")
    problems += [
        f"docs/{plot} shows other figures: {again} (it needs the dependency group docs)"
        for plot in PLOTS
        if f"figures {figures.digest()}" not in (root / "docs" / plot).read_text("utf-8")
    ]
    return problems


def _changed(name: str, products: dict[bool, list[str]]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        if name in OTHERS:
            recorded = report.load()[name]
            found = report.measure_others(products, Path(folder), [name])[name]
        else:
            recorded = Figures.load().tasks[name]
            found = measure(name, TASKS[name], products, Path(folder), ["callmux", "lean"])
    problems = []
    for way, cost in found.items():
        before = recorded[way]
        allowed = 0 if way in (DIRECT, TOGETHER, ORDERED) else TOLERANCE * before.read
        same = (cost.calls, cost.turns) == (before.calls, before.turns)
        if not same or abs(cost.read - before.read) > allowed:
            problems.append(
                f"{name}, {way}: {cost.turns} turns read {cost.read:,} tokens, recorded are {before.turns} "
                f"and {before.read:,}: run benchmarks/context.py --measure"
            )
    return problems


if __name__ == "__main__":
    sys.exit(main())
