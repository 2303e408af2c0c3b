"""What one warm call is made of: Python frames, files, coroutines and tasks, on each way through callmux.

    python benchmarks/frames.py [--ways "plain,listener"] [--modules] [--list] [--json FILE]
    python benchmarks/frames.py --way       writes the way of a plain call into docs/design.md

Calls are made one after the other; everything that runs in the process of callmux is counted, its libraries
included. `--modules` adds the frames of each module, `--list` the way of one call: each function in the
order of its first frame. `instructions.py` uses `counted`, to say where a call has grown.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from paths import PROCESSES, WAYS, Client, Products, Way

TRACED = Path(__file__).with_name("traced.py")
DESIGN = Path(__file__).parent.parent / "docs" / "design.md"
BEGIN = "```text way"
"""How the block in `DESIGN` begins that has the way of a call."""
BETWEEN_TURNS = ("batch_writer.py:BatchWriter._end_of_turn",)
"""What runs when a turn of the loop ends, before or after the answer has come: it stands last."""
BURDEN = Path(__file__).with_name("burden.py")
WARM, WAVES, PARTS = 20, 5, 3


class Frames(NamedTuple):
    """What one call is made of; averages where calls differ.

    Attributes:
        frames: Python frames that ran, once more for each time a coroutine went on.
        files: Files that they are in.
        coroutines: Coroutines that began.
        tasks: Tasks that began.
        modules: Frames by module.
        way: The functions, as file:function, in the order of their first frame.
    """

    frames: float
    files: int
    coroutines: float
    tasks: float
    modules: dict[str, float]
    way: list[str]


class Trace:
    """The hook in one process, told from outside when to count."""

    def __init__(self) -> None:
        self._theirs = [*os.pipe(), *os.pipe()]
        commands, self._commands, self._replies, replies = self._theirs
        self._ends = (commands, replies)
        for end in self._ends:
            os.set_inheritable(end, True)

    def wrap(self, words: list[str]) -> list[str]:
        """The command for `words` with the hook: `python -m callmux ...`, or `burden.py` in its place.

        Raises:
            ValueError: It is another command.
        """
        burden = "0"
        if words[1] == str(BURDEN):
            burden = words[2]
        elif words[1:3] != ["-m", "callmux"]:
            raise ValueError(f"frames are counted of `python -m callmux` only, not of {words[:3]}")
        return [words[0], str(TRACED), *map(str, self._ends), burden, *words[3:]]

    def close(self) -> None:
        """Closes the pipes."""
        for end in self._theirs:
            os.close(end)

    def _turn(self) -> bytes:
        os.write(self._commands, b".")
        data = b""
        while not data.endswith(b"\n"):
            more = os.read(self._replies, 1 << 20)
            if not more:
                raise RuntimeError("the process ended")
            data += more
        return data

    def of(self, client: Client, way: Way, width: int) -> Frames:
        """What one call of this way is made of, `width` at a time."""
        client.waves(way, WARM, width)
        parts = []
        for _ in range(PARTS):
            self._turn()
            calls = client.waves(way, WAVES, width)
            parts.append(json.loads(self._turn()))
        # The least: what callmux does now and then belongs to no call.
        found = min(parts, key=lambda part: len(part["frames"]))
        frames: list[tuple[str, str, str, bool]] = found["frames"]
        # What the call before has left to the end of its turn may come first.
        begins = next((n for n, (_, _, name, _) in enumerate(frames) if name.endswith(".data_received")), 0)
        modules = Counter(module for _, module, _, _ in frames)
        return Frames(
            frames=len(frames) / calls,
            files=len({file for file, _, _, _ in frames}),
            coroutines=sum(begun for *_, begun in frames) / calls,
            tasks=found["tasks"] / calls,
            modules={module: count / calls for module, count in sorted(modules.items())},
            way=list(dict.fromkeys(f"{short(file)}:{name}" for file, _, name, _ in frames[begins:])),
        )


def short(file: str) -> str:
    """The path within the package or the library."""
    for mark in ("/src/", "/site-packages/", f"/python{sys.version_info[0]}.{sys.version_info[1]}/"):
        if mark in file:
            return file.rpartition(mark)[2]
    return file


@contextmanager
def _traced(products: Products, process: str) -> Iterator[tuple[Client, Trace]]:
    trace = Trace()
    try:
        with products.client(process, trace.wrap) as client:
            yield client, trace
    finally:
        trace.close()


def counted(products: Products, ways: list[Way], lone: bool) -> dict[str, Frames]:
    """The frames of one call on each way, one at a time (`lone`) or as many as the way says."""
    found: dict[str, Frames] = {}
    for process in PROCESSES:
        if mine := [way for way in ways if way.process == process]:
            with _traced(products, process) as (client, trace):
                for way in mine:
                    found[way.name] = trace.of(client, way, 1 if lone else way.width)
    return found


def way_of_a_call() -> list[str]:
    """The functions of callmux that a warm plain call passes, as file:function, in their order."""
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
        products = Products(f"{sys.executable} -m callmux", Path(folder))
        (found,) = counted(products, [way for way in WAYS if way.name == "plain"], lone=True).values()
    ours = [step.removeprefix("callmux/") for step in found.way if step.startswith("callmux/")]
    # Comprehensions are functions of their own up to Python 3.11 only.
    return sorted((step for step in ours if "<" not in step), key=BETWEEN_TURNS.__contains__)


def way_in(page: str) -> list[str]:
    """The way that a page has."""
    return _between(page)[1].split()


def with_way(page: str, way: list[str]) -> str:
    """The page with this way."""
    before, _, behind = _between(page)
    return "\n".join([before, *way, behind])


def _between(page: str) -> tuple[str, str, str]:
    before, begin, rest = page.partition(BEGIN)
    way, end, behind = rest.partition("\n```")
    if not begin or not end:
        raise ValueError(f"{DESIGN} has no block that begins with {BEGIN!r}")
    return before + begin, way, end.strip() + behind


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ways", help="some ways only, with commas between them")
    parser.add_argument("--modules", action="store_true", help="also the frames of each module")
    parser.add_argument("--list", action="store_true", help="also the functions in their order")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--way", action="store_true", help="write the way of a plain call into its page")
    options = parser.parse_args()
    if options.way:
        DESIGN.write_text(with_way(DESIGN.read_text("utf-8"), way_of_a_call()), "utf-8")
        return
    wanted = options.ways.split(",") if options.ways else [way.name for way in WAYS]
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
        products = Products(f"{sys.executable} -m callmux", Path(folder))
        found = counted(products, [way for way in WAYS if way.name in wanted], lone=True)
    print(f"{'':18}{'frames':>8}{'files':>8}{'coroutines':>12}{'tasks':>8}")
    for name, one in found.items():
        print(f"{name:18}{one.frames:>8.1f}{one.files:>8}{one.coroutines:>12.1f}{one.tasks:>8.1f}")
    for name, one in found.items():
        if options.modules:
            print(f"\n{name}: frames by module")
            for module, count in sorted(one.modules.items(), key=lambda item: -item[1]):
                print(f"{count:>8.1f}  {module}")
        if options.list:
            print(f"\n{name}: functions in the order of their first frame")
            print("\n".join(f"  {function}" for function in one.way))
    if options.json:
        figures = {name: one._asdict() for name, one in found.items()}
        options.json.write_text(json.dumps(figures, indent=2), "utf-8")


if __name__ == "__main__":
    main()
