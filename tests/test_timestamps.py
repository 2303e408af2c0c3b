"""How a moment is written."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from callmux.timestamps import iso, sortable


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_it_is_the_way_of_the_standard_library(second: int, micro: int) -> None:
    moment = datetime.fromtimestamp(second, UTC).replace(microsecond=micro)
    assert iso(moment.timestamp()) == f"{moment.isoformat(timespec='milliseconds')[:-6]}Z"


def test_names_of_files_sort_by_their_moment() -> None:
    assert sortable(1_767_600_550.123456) == "20260105T080910.123456Z"
    moments = [0.0, 1.5, 1_700_000_000.0, 1_700_000_000.25, 1_767_600_550.1]
    assert sorted(map(sortable, moments)) == [sortable(moment) for moment in moments]
