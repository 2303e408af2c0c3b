"""How what is kept of the past is doing: whether its file can be written, and what is missing from it. Pure.

Made by `callmux.observe.chronicle` and `callmux.process.observers`; shown by status, the dashboard and
`callmux.admin.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Keeping(msgspec.Struct, frozen=True):
    """How one file is doing.

    Attributes:
        problem: Why it cannot be written now; None while it can.
        lost: How many calls or lines are missing from it since this process began.
        summed: How many of its rows stand for several calls.
    """

    problem: str | None
    lost: int = 0
    summed: int = 0


def problems_of(keeping: Mapping[str, Keeping]) -> dict[str, str]:
    """What cannot be written now, and why."""
    return {name: kept.problem for name, kept in keeping.items() if kept.problem is not None}
