"""Every kind of client at real servers through callmux: nothing that works directly fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.encounters.servers import IN_CI
from tests.encounters.visits import (
    LISTS,
    WAYS,
    Difference,
    Outcome,
    Place,
    compared,
    direct,
    through,
    worked,
)
from tests.support import real_loop


@real_loop(120)
async def test_nothing_that_works_directly_fails_through_callmux(
    tmp_path: Path, npm_server: Callable[[str], list[str]]
) -> None:
    """For a client that never greets, at a server that knows nothing else; `scripts/try-servers` has all."""
    npm_server("everything")
    place = Place(tmp_path, IN_CI[:1])
    (row,) = place.rows
    assert await direct(place, row, "discover") is None
    alone = await direct(place, row, "legacy")
    assert alone is not None
    found = await through(place, "all", place.rows, ["discover"], {row.name: alone})
    assert worked(alone) >= len(row.deeds)
    for way in WAYS:
        assert compared(alone, found[row.name, "discover", way]) == [], way


def test_what_fails_or_differs_is_told_and_what_failed_before_is_not() -> None:
    before = {
        "tools/list": Outcome(True, '["a", "b"]'),
        "prompts/list": Outcome(True, '["a"]'),
        "call a": Outcome(True, "1"),
        "call b": Outcome(True, "2"),
        "call c": Outcome(False, "no"),
        "call d": Outcome(True, "4"),
    }
    after = {
        "tools/list": Outcome(True, '["a"]'),
        "prompts/list": Outcome(True, '["a", "x"]'),
        "call a": Outcome(True, "1"),
        "call b": Outcome(True, "3"),
        "call c": Outcome(True, "5"),
    }
    assert set(LISTS) >= {"tools/list", "prompts/list"}
    assert compared(before, after) == [
        Difference("tools/list", '["a", "b"]', "without ['b']", True),
        Difference("call b", "2", "3", False),
        Difference("call d", "4", "it is not there", True),
    ]
