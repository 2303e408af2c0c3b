"""Products take turns: each once a round, every round begins with another one. What came of it is kept.

Used by `benchmarks/performance.py`; the record is what `page` and `plots` show.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from peers.client import Failed
from peers.products import Product
from peers.watching import load

FILE = Path(__file__).with_name("figures.json")

Sample = dict[str, float]
Row = dict[str, Any]
"""`samples`: the figures of each round; `failed`: what went wrong, once for each round in which it did."""


def turned(products: Sequence[Product], n: int) -> list[Product]:
    """All of them; each round begins with another one."""
    first = n % max(1, len(products))
    return [*products[first:], *products[:first]]


def empty() -> Row:
    return {"samples": [], "failed": []}


def kept(row: Row, measure: Callable[[], Sample], said: Callable[[], str]) -> bool:
    """Measures once and keeps what came of it, a failure, too; whether it went well.

    Args:
        row: Of a product in a table or at a point.
        measure: Gives the figures.
        said: The last that the product wrote on its standard error.
    """
    before = load()
    try:
        sample = measure()
    except (Failed, OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
        # The last two: an answer that is not what was asked for ends no run of an hour.
        last = said()
        what = repr(error) if isinstance(error, ValueError | LookupError) else str(error)
        row["failed"].append(what + (f" (it said: {last})" if last else ""))
        return False
    row["samples"].append({**sample, "load": (before + load()) / 2})
    return True


def middle(row: Row, figure: str) -> float | None:
    """The median over the rounds; None where every round failed."""
    values = [sample[figure] for sample in row["samples"] if figure in sample]
    return median(values) if values else None


def spread(row: Row, figure: str) -> tuple[float, float] | None:
    """The least and the most over the rounds."""
    values = [sample[figure] for sample in row["samples"] if figure in sample]
    return (min(values), max(values)) if values else None


def loads(record: dict[str, Any]) -> list[float]:
    """The load of the machine at every measurement, in rising order."""
    rows = [row for rows in record["table"].values() for row in rows.values()]
    rows += [row for by in record["growth"].values() for rows in by.values() for row in rows.values()]
    return sorted(sample["load"] for row in rows for sample in row["samples"])


def saved(record: dict[str, Any], path: Path = FILE) -> None:
    path.write_text(json.dumps(_rounded(record), indent=1) + "\n", "utf-8")


def loaded(path: Path = FILE) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return record


def _rounded(value: Any) -> Any:
    """Five digits are more than any of this is worth."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
