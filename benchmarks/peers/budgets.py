"""The budgets beside callmux (npm): what must hold, what is aimed at, what a run found. Pure.

Called by `page`, and by the benchmarks of one way (`stdio.py`, `listener.py`), which print the same floors.
"""

from __future__ import annotations

from statistics import median
from typing import Any, NamedTuple

from peers import rounds
from peers.products import BRIDGE, CALL, DIRECT, LISTENER, NPM, OURS, STDIO

ADDED = "added_us"


class Budget(NamedTuple):
    """One ratio to callmux (npm).

    Attributes:
        way: On which way.
        figure: Of which figure.
        title: In words.
        floor: What must hold.
        aim: What is aimed at.
        less: Less is better.
    """

    way: str
    figure: str
    title: str
    floor: float
    aim: float
    less: bool = True

    def meets(self, found: float, bound: float) -> bool:
        """Whether a ratio keeps to a bound."""
        return found <= bound if self.less else found >= bound


BUDGETS = (
    Budget(STDIO, ADDED, "p50 added to the direct call", 0.5, 0.35),
    Budget(STDIO, "per_s", "calls/s, 16 in flight", 2.5, 3.3, less=False),
    Budget(STDIO, "cpu_us", "processor time a call", 0.3, 0.2),
    Budget(STDIO, "pss_mb", "memory", 0.25, 0.2),
    Budget(STDIO, "start_ms", "start", 0.42, 0.35),
    Budget(LISTENER, "p50_us", "p50", 0.65, 0.5),
    Budget(LISTENER, "per_s", "calls/s, 16 connections", 4.0, 6.0, less=False),
    Budget(LISTENER, "cpu_us", "processor time a call", 0.2, 0.1),
    Budget(LISTENER, "pss_mb", "memory", 0.2, 0.14),
    Budget(LISTENER, "start_ms", "start", 0.6, 0.5),
    Budget(BRIDGE, "p50_us", "p50", 0.3, 0.2),
    Budget(BRIDGE, "per_s", "calls/s, 16 in flight", 5.0, 7.0, less=False),
    Budget(BRIDGE, "pss_mb", "memory of the bridge", 0.15, 0.12),
    Budget(BRIDGE, "start_ms", "start of the bridge", 0.3, 0.22),
    Budget(CALL, "whole_ms", "whole process", 0.2, 0.15),
)


def budget(way: str, figure: str) -> Budget:
    """The budget of one figure."""
    return next(one for one in BUDGETS if (one.way, one.figure) == (way, figure))


def ratio(rows: dict[str, rounds.Row], other: str, figure: str) -> float | None:
    """The median over rounds of ours by theirs; of the medians where rounds failed."""
    return _ratio(*(_values(rows, name, figure) for name in (OURS, other)))


def _values(rows: dict[str, rounds.Row], name: str, figure: str) -> list[float]:
    samples = rows.get(name, rounds.empty())["samples"]
    if figure != ADDED:
        return [sample[figure] for sample in samples]
    bare = rounds.middle(rows.get(DIRECT, rounds.empty()), "p50_us") or 0.0
    return [sample["p50_us"] - bare for sample in samples]


def _ratio(ours: list[float], theirs: list[float]) -> float | None:
    if not ours or not theirs or not all(theirs):
        return None
    if len(ours) != len(theirs):
        return median(ours) / median(theirs)
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def table(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """A row a budget: way, what, found, floor, aim, verdict."""
    found = []
    for budget in BUDGETS:
        value = ratio(record["table"].get(budget.way, {}), NPM, budget.figure)
        if value is None:
            continue
        shown = [f"{number:.2f}x" for number in (value, budget.floor, budget.aim)]
        found.append((budget.way, budget.title, *shown, _verdict(budget, value)))
    return found


def _verdict(budget: Budget, value: float) -> str:
    for bound, word in ((budget.aim, "aim met"), (budget.floor, "floor met")):
        if budget.meets(value, bound):
            return word
    return "floor missed"
