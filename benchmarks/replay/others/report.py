"""The figures of the four other tasks and their section of `docs/context.md`, for `benchmarks/context.py`.

Kept apart from those of the page's own tasks, which were looked at while `lean` was made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from replay.counting import Cost
from replay.measuring import DIRECT, ORDERED, TOGETHER, measure, ordered
from replay.others import OTHER_SERVERS, OTHERS
from replay.recording import listings
from replay.tasks import SMALL, TASKS

FILE = Path(__file__).with_name("figures.json")
FIRST = "the page's own tasks, several a turn, in order"
"""Under this key the file has what the tasks of `replay.tasks` cost such a client."""
WAYS = ("lean", "lean, several a turn", "callmux", "callmux, unshielded")
SHOWN = (DIRECT, TOGETHER, ORDERED, "lean", "lean, several a turn", "callmux")

Costs = dict[str, dict[str, Cost]]


def measure_others(
    products: Mapping[bool, Sequence[str]], folder: Path, tasks: Sequence[str] = tuple(OTHERS)
) -> Costs:
    """What these tasks cost, by task and way."""
    ours = {False: products[False]}
    return {name: measure(name, OTHERS[name], ours, folder, WAYS, OTHER_SERVERS) for name in tasks}


def measure_ordered() -> dict[str, Cost]:
    """What the page's own tasks cost a client that asks for calls in order in one turn, without callmux."""
    return {name: ordered(name, task) for name, task in TASKS.items()}


def load() -> Costs:
    raw = json.loads(FILE.read_text("utf-8"))
    return {
        task: {w: Cost(**cost) for w, cost in ways.items()} for task, ways in raw.items() if task != FIRST
    }


def load_ordered() -> dict[str, Cost]:
    """As `measure_ordered` found it."""
    raw = json.loads(FILE.read_text("utf-8"))
    return {task: Cost(**cost) for task, cost in raw[FIRST].items()}


def save(costs: Costs, first: Mapping[str, Cost]) -> None:
    plain = {task: {way: asdict(cost) for way, cost in ways.items()} for task, ways in costs.items()}
    plain[FIRST] = {task: asdict(cost) for task, cost in first.items()}
    FILE.write_text(json.dumps(plain, indent=1) + "\n", "utf-8")


def values(costs: Costs, first: Mapping[str, Cost], lean: Mapping[str, Cost]) -> dict[str, str]:
    """What the section's template names.

    Args:
        costs: What the four tasks cost.
        first: What the page's own tasks cost a client that asks for calls in order in one turn.
        lean: What these cost with the preset.
    """
    six = [name for name in first if name != SMALL]
    asked, ours = (sum(found[name].read for name in six) for found in (first, lean))
    worst = max(six, key=lambda name: lean[name].read / first[name].read)
    read = {way: sum(ways[way].read for ways in costs.values()) for way in SHOWN}
    turns = {way: sum(ways[way].turns for ways in costs.values()) for way in SHOWN}
    one = next(iter(costs.values()))
    rows = [
        (OTHERS[name].TITLE, *(f"{ways[way].read:,} / {ways[way].turns}" for way in SHOWN))
        for name, ways in costs.items()
    ]
    rows.append(("**together**", *(f"{read[way]:,} / {turns[way]}" for way in SHOWN)))
    for base in (TOGETHER, ORDERED):
        cells = (f"{read[way] / read[base]:.2f}x" if way in SHOWN[3:] else "" for way in SHOWN)
        rows.append((f"beside {base}", *cells))
    lines = [f"| tokens read / turns | {' | '.join(SHOWN)} |", f"| --- |{' ---: |' * len(SHOWN)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    by_task = [ways["lean"].read / ways[ORDERED].read for ways in costs.values()]
    return {
        "others_table": "\n".join(lines),
        "others_servers": ", ".join(server["about"] for server in listings(OTHER_SERVERS).values()),
        "others_tools": str(one[DIRECT].tools),
        "others_definitions": f"{one[DIRECT].definitions:,}",
        "others_lean": f"{one['lean'].definitions:,}",
        "others_best": f"{min(by_task):.2f}x",
        "others_worst": f"{max(by_task):.2f}x",
        "first_ordered": f"{asked:,}",
        "first_turns": str(sum(first[name].turns for name in six)),
        "first_lean": f"{ours:,}",
        "first_times": f"{ours / asked:.2f}x",
        "first_worst": f"{TASKS[worst].TITLE.lower()}, {lean[worst].read / first[worst].read:.2f}x",
        "others_tasks": "\n".join(f"- **{task.TITLE}.** {task.ABOUT}" for task in OTHERS.values()),
    }
