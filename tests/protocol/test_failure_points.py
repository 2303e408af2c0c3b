"""What is known where a request failed."""

from __future__ import annotations

from callmux.protocol.failure_points import TABLE, Carrier, Point, Session, known, may_have_begun


def test_nothing_that_may_have_begun_is_proved_to_be_untaken() -> None:
    assert not [row for row, what in TABLE.items() if what.begun and what.again]


def test_every_way_has_its_rows_and_every_point_stands_in_one() -> None:
    assert {carrier for carrier, _ in TABLE} == set(Carrier)
    assert {point for _, point in TABLE} == set(Point)
    for carrier in Carrier:
        assert known(carrier, Point.LATE).begun
        if carrier is not Carrier.SHELL:
            assert known(carrier, Point.NO_CONNECTION) == (False, True, Session.KEPT)


def test_a_link_is_known_by_the_name_of_its_transport() -> None:
    assert not may_have_begun("sse", Point.NO_CONNECTION)
    assert may_have_begun("stdio", Point.ENDED)
    assert may_have_begun("another", Point.NO_CONNECTION)
