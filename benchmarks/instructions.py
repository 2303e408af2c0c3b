"""A guard against getting slower: instructions a call, by callgrind, beside those in `instructions.json`.

    python benchmarks/instructions.py [--ways "plain,bridge"] [--callmux "..."] [--json FILE]
    python benchmarks/instructions.py --record       writes what it finds into instructions.json
    python benchmarks/instructions.py --burden 135   with needless work in each call: the guard must fail

Instructions do not depend on what else the machine does. They do depend on the interpreter and on libraries
in C: figures are judged only beside a record of the same versions, and otherwise told. A way fails that
takes over 10 % more than its record; then the guard says which modules have more Python frames and which C
functions take more instructions. Exit codes: 0, 1 for a failure, 3 where callgrind is missing. Needs
valgrind and the development dependencies.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from frames import BURDEN, counted
from grind import Count, Grind, missing
from paths import PROCESSES, WAYS, Client, Products, Way

RECORDS = Path(__file__).with_name("instructions.json")
ALLOWED = 1.10
START, BARE, KEEPING = STARTS = ("start", "compiling start", "kept start")
"""From spawning to the first listing; counted once and not by call. The other one finds no compiled files of
callmux, as in a fresh checkout where Python must not write any."""
CALLS = 160
"""At least so many calls in each part."""
PARTS = 5
"""The median of so many parts counts: a collection of garbage belongs to one of them."""
KEPT = 60
"""C functions that are recorded of each way."""
SHOWN = 12
LIBRARIES = ("msgspec", "uvloop", "httptools", "uvicorn")

Versions = dict[str, str]


class Figure(NamedTuple):
    """What one way takes.

    Attributes:
        instructions: In user space, for each call.
        functions: The same by C function, those that take most.
        frames: Python frames by module; empty where they were not counted.
    """

    instructions: int
    functions: Mapping[str, int]
    frames: Mapping[str, float]


def versions() -> Versions:
    """What instruction counts depend on besides callmux."""
    made = sysconfig.get_config_var("CONFIG_ARGS") or ""
    how = "profiled" if "--enable-optimizations" in made else "not profiled"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "python": f"{python}, {platform.python_compiler()}, {how}",
        "machine": platform.machine(),
        **{name: version(name) for name in LIBRARIES},
    }


def judge(found: int, recorded: int | None) -> str:
    """One way beside its record: "ok", "new", "slower", or "faster": a new record would hold the gain."""
    if recorded is None:
        return "new"
    if found > recorded * ALLOWED:
        return "slower"
    return "faster" if found * ALLOWED < recorded else "ok"


def grown(before: Mapping[str, float], now: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """What is more than before, most first: its name, before, now."""
    more = [(name, before.get(name, 0), count) for name, count in now.items()]
    rising = [one for one in more if one[2] - one[1] > 0.05]
    return sorted(rising, key=lambda one: one[1] - one[2])[:SHOWN]


def matching(records: list[dict[str, Any]], here: Versions) -> dict[str, Any] | None:
    """The record made with these versions."""
    return next((one for one in records if one["versions"] == here), None)


def per_call(parts: list[Count], calls: int) -> Figure:
    """The part in the middle, by call."""
    middle = int(median(part.total for part in parts))
    part = min(parts, key=lambda one: abs(one.total - middle))
    functions = {name: round(count / calls) for name, count in part.functions.most_common(KEPT)}
    return Figure(round(part.total / calls), functions, {})


def _measure(grind: Grind, client: Client, way: Way) -> Figure:
    each = -(-CALLS // way.width) if way.width > 1 else CALLS // 10
    client.waves(way, each)
    grind.count()
    parts = []
    for _ in range(PARTS):
        calls = client.waves(way, each)
        parts.append(grind.count())
    return per_call(parts, calls)


def _process(command: str, process: str, ways: list[Way], folder: Path) -> dict[str, Figure]:
    """All ways through one process. One that cannot be measured is tried once more: an answer may have come
    too late."""
    try:
        return _measured(command, process, ways, folder / "first")
    except (RuntimeError, OSError) as failure:
        print(f"{process}: {failure}; once more")
        return _measured(command, process, ways, folder / "second")


def _measured(command: str, process: str, ways: list[Way], folder: Path) -> dict[str, Figure]:
    folder.mkdir(parents=True)
    if process in STARTS:
        products = Products(command, folder, {} if process == START else _bare(folder, process))
        # Twice without counting, so that the compiled files are there, and nothing else is new: a source that
        # was written just before the first is not kept.
        for _ in range(2):
            with products.client("stdio", lambda words: words):
                pass
        grind = Grind(folder, at_start=True)
        with products.client("stdio", grind.wrap) as client:
            grind.begin(client.process.pid)
            return {process: per_call([grind.count()], 1)}
    products = Products(command, folder)
    grind = Grind(folder)
    with products.client(process, grind.wrap) as client:
        for way in ways:
            client.waves(way, 4)
        grind.begin(client.process.pid)
        return {way.name: _measure(grind, client, way) for way in ways}


def _bare(folder: Path, process: str) -> dict[str, str]:
    """What has Python find callmux without compiled files, and write none: then callmux keeps them itself,
    which is switched off where all is to be compiled."""
    source = Path(__file__).parents[1] / "src"
    shutil.copytree(source, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    own = {"CALLMUX_BYTE_CODE": "off"} if process == BARE else {"XDG_CACHE_HOME": str(folder / "caches")}
    return {"PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", **own}


def measured(command: str, wanted: list[str], folder: Path) -> dict[str, Figure]:
    """The figures of the wanted ways; two processes at a time."""
    by_process = {name: [w for w in WAYS if w.process == name and w.name in wanted] for name in PROCESSES}
    jobs = [name for name in STARTS if name in wanted]
    jobs += [name for name, ways in by_process.items() if ways]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(
            lambda n: _process(command, jobs[n], by_process.get(jobs[n], []), folder / f"run{n}"),
            range(len(jobs)),
        )
        figures = {name: figure for one in found for name, figure in one.items()}
    return {name: figures[name] for name in wanted}


def with_frames(command: str, figures: dict[str, Figure], folder: Path) -> dict[str, Figure]:
    """The same figures, with the Python frames of each way."""
    folder.mkdir()
    ways = [way for way in WAYS if way.name in figures]
    frames = counted(Products(command, folder), ways, lone=False)
    return {
        name: figure._replace(frames=frames[name].modules) if name in frames else figure
        for name, figure in figures.items()
    }


def _tell(name: str, found: int, recorded: int | None, verdict: str) -> None:
    beside = "" if recorded is None else f"{recorded:>14,}{100 * (found / recorded - 1):>+9.1f} %"
    print(f"{name:18}{found:>14,}{beside}  {'' if verdict == 'ok' else verdict}".rstrip(), flush=True)


def _explain(name: str, before: dict[str, Any], now: Figure) -> None:
    for title, kind, form in (
        ("Python frames a call", "frames", ",.1f"),
        ("C functions", "functions", ",.0f"),
    ):
        more = grown(before[kind], getattr(now, kind))
        print(f"\n{name}: {title}, " + ("how many more, and now" if more else "no more than before"))
        for what, old, new in more:
            print(f"{new - old:>+12{form}}{new:>12{form}}  {what}")


def _record(path: Path, figures: dict[str, Figure], here: Versions) -> None:
    records = json.loads(path.read_text("utf-8")) if path.exists() else []
    kept = matching(records, here)
    if kept is None:
        kept = {"versions": here, "ways": {}}
        records.append(kept)
    kept["ways"].update({name: figure._asdict() for name, figure in figures.items()})
    path.write_text(json.dumps(records, indent=1) + "\n", "utf-8")


def main() -> int:
    names = [*(way.name for way in WAYS), *STARTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ways", help="some ways only, with commas between them: " + ", ".join(names))
    parser.add_argument("--callmux", default=f"{shlex.quote(sys.executable)} -m callmux")
    parser.add_argument("--records", type=Path, default=RECORDS, help="another file of records")
    parser.add_argument("--record", action="store_true", help="write the figures into instructions.json")
    parser.add_argument("--burden", type=int, default=0, help="rounds of needless work in each call")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    wanted = options.ways.split(",") if options.ways else names
    if unknown := set(wanted) - set(names):
        parser.error(f"no such way: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if (program := missing()) is not None:
        print(f"{program} is missing, so instructions cannot be counted: apt-get install valgrind")
        return 3
    command = options.callmux
    if options.burden:
        command = shlex.join([sys.executable, str(BURDEN), str(options.burden)])
    here = versions()
    records = json.loads(options.records.read_text("utf-8")) if options.records.exists() else []
    record = matching(records, here)
    recorded = {} if record is None else record["ways"]
    print(", ".join(f"{name} {value}" for name, value in here.items()))
    print(f"{'instructions a call':18}{'now':>13}" + (f"{'recorded':>14}{'change':>11}" if record else ""))
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as place:
        folder = Path(place)
        figures = measured(command, wanted, folder)
        slower = []
        for name, figure in figures.items():
            before = recorded[name]["instructions"] if name in recorded else None
            verdict = judge(figure.instructions, before)
            _tell(name, figure.instructions, before, verdict)
            if verdict == "slower":
                slower.append(name)
        if options.record or slower:
            figures = with_frames(command, figures, folder / "frames")
    if options.json:
        options.json.write_text(json.dumps({n: f._asdict() for n, f in figures.items()}, indent=1), "utf-8")
    if options.record:
        _record(options.records, figures, here)
        print(f"\nrecorded in {options.records}")
        return 0
    if record is None:
        known = "; ".join(" ".join(one["versions"].values()) for one in records)
        print(f"\nNot judged: there is no record for these versions (there is for: {known or 'none'}).")
        print("Record what the state before a change takes: benchmarks/instructions.py --record")
        return 0
    for name in slower:
        _explain(name, recorded[name], figures[name])
    if slower:
        print(f"\nFAILED: more than 10 % above the record: {', '.join(slower)}.")
        print("Take the work out of the call. Where it is worth it: benchmarks/instructions.py --record")
        return 1
    print("\nno way takes more than 10 % above its record")
    return 0


if __name__ == "__main__":
    sys.exit(main())
