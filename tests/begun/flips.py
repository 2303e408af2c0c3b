"""Rows of the table with a wrong answer, which the cases must notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unittest import mock

from callmux.protocol.failure_points import TABLE, Carrier, Known, Point, Session
from tests.begun.cases import Case
from tests.begun.play import wrong_in


def flips(row: tuple[Carrier, Point]) -> Iterator[Known]:
    """The row with each of its answers turned round, where something depends on that."""
    known = TABLE[row]
    yield known._replace(begun=not known.begun, again=known.begun and row[0] is not Carrier.SHELL)
    if row[0] is Carrier.SHELL or row[1] in (Point.LATE, Point.ENDED):
        return
    if not known.begun and row[1] not in (Point.CREDENTIALS, Point.NOT_FOUND):
        yield known._replace(again=not known.again)
    if known.session is not Session.KEPT and row[1] is not Point.CREDENTIALS:
        yield known._replace(session=Session.KEPT)


def uncaught(row: tuple[Carrier, Point], flip: Known, cases: Sequence[Case]) -> list[Case]:
    """The cases of this row, where none of them notices the flip; nothing where one does."""
    mine = [case for case in cases if (Carrier(case.carrier), case.point) == row]
    # Those that tell most come first.
    mine.sort(key=lambda case: (case.safe, not case.forgotten, case.effect is not flip.again))
    with mock.patch.dict(TABLE, {row: flip}):
        for case in mine:
            if wrong_in(case):
                return []
    return mine
