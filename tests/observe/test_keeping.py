"""What is told of files that cannot be written."""

from __future__ import annotations

from callmux.observe.keeping import Keeping, problems_of


def test_only_what_cannot_be_written_is_a_problem() -> None:
    keeping = {"history": Keeping(None), "eventStore": Keeping("database is locked", lost=3)}
    assert problems_of(keeping) == {"eventStore": "database is locked"}
