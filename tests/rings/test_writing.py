"""A write that has ended makes earlier reads worthless; one of unknown end casts doubt on later ones, too."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import ToolCallFailed, UpstreamUnavailable
from callmux.protocol.shapes import Result, Tool
from callmux.protocol.unanswered import Unanswered
from callmux.rings.cache.writes import Writes
from callmux.rings.stage import Cancelled
from callmux.rings.writing import Writing
from callmux.stores.memory import MemoryCache
from callmux.upstream.failures import CallFailure, Category
from tests.support import FakeClock, planned, route

REFUSED = ToolCallFailed("no", executionState="unknown")
REFUSED.rpc = b"{}"


class FakeServer:
    def __init__(self) -> None:
        self.unanswered = Unanswered()


def ends(outcome: Any, *, number: int = 7, first: CallFailure | None = None) -> bool:
    """Whether reads that begin after the write are kept; those before never are."""
    store, clock = MemoryCache(), FakeClock()
    stage = Writing(Writes(store), {"s": FakeServer()}, clock.clock)  # type: ignore[dict-item]
    before = store.epoch("s")
    assert stage.leave(planned(number=number, first=first), outcome) is outcome
    assert store.epoch("s") == before + 1
    return store.begin("s", clock.clock.monotonic) is not None


@pytest.mark.parametrize(
    "outcome",
    [
        Result(b"{}"),
        Result(b'{"isError":true}'),
        ToolCallFailed("no", executionState="not_started"),
        REFUSED,
        UpstreamUnavailable("down"),
    ],
)
def test_a_write_that_has_ended_casts_no_doubt(outcome: Any) -> None:
    assert ends(outcome)


@pytest.mark.parametrize(
    "outcome", [ToolCallFailed("late", executionState="unknown"), Cancelled(None), ValueError("no")]
)
def test_a_write_of_unknown_end_does(outcome: Any) -> None:
    assert not ends(outcome)


def test_a_write_that_was_given_up_before_it_was_sent_has_not_begun() -> None:
    assert ends(Cancelled(None), number=0)


def test_the_first_of_two_attempts_may_still_be_carried_out() -> None:
    assert not ends(Result(b"{}"), first=CallFailure(Category.TIMEOUT, "late"))
    assert ends(Result(b"{}"), first=CallFailure(Category.TRANSPORT, "gone", started=False))


def test_a_read_is_not_looked_at() -> None:
    stage = Writing(Writes(MemoryCache()), {}, FakeClock().clock)
    assert stage.concerns(route("s"))
    assert not stage.concerns(route("s", Tool(b'{"name":"t","annotations":{"readOnlyHint":true}}')))
