"""A write is never carried out twice, and never said to be unstarted when it was carried out."""

from __future__ import annotations

import pytest

from callmux.protocol.failure_points import TABLE, Carrier, Point
from tests.begun.cases import Case, all_cases
from tests.begun.flips import flips, uncaught
from tests.begun.play import wrong_in

CASES = list(all_cases())
HERE = [case for n, case in enumerate(CASES) if not case.safe or n % 5 == 0]
"""Every write, and a fifth of the safe calls; `python -m tests.begun` runs all."""


@pytest.mark.parametrize("case", HERE, ids=lambda case: "-".join(map(str, case)).replace("Event.", ""))
def test_what_happens_to_a_call_is_told_as_it_is(case: Case) -> None:
    assert wrong_in(case) == []


def test_every_row_of_the_table_has_its_cases() -> None:
    assert {(Carrier(case.carrier), case.point) for case in CASES} == set(TABLE)


@pytest.mark.parametrize("row", list(TABLE), ids=lambda row: f"{row[0].value}-{row[1].name}")
def test_a_wrong_answer_in_any_row_is_noticed(row: tuple[Carrier, Point]) -> None:
    """Whether the call may have begun, turned round."""
    flip = next(flips(row))
    assert uncaught(row, flip, CASES) == [], f"{flip} in place of {TABLE[row]}"
