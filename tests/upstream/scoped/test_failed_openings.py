"""A connection that could not be opened is not tried by each call anew."""

from __future__ import annotations

from typing import Any

from callmux.config.traffic import ReconnectPolicy
from callmux.context import Scope
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.lanes import LaneKey
from callmux.upstream.scoped.failed_openings import MOST, FailedOpenings
from tests.support import FakeClient

KEY = LaneKey(b"{}", scope=Scope(cwd="/a"))
WHY = CallFailure(Category.TIMEOUT, "it took too long")


def openings() -> FailedOpenings:
    policy = ReconnectPolicy(initial_delay_ms=1000, max_delay_ms=8000, jitter_ratio=0.0, max_attempts=1)
    return FailedOpenings(lambda: policy)


def cause(failed: FailedOpenings, now: float, key: LaneKey = KEY) -> str | None:
    found = failed.why(key, now)
    return None if found is None else found.cause


def test_it_rests_longer_after_each_failure_and_says_for_how_long() -> None:
    failed = openings()
    assert cause(failed, 0) is None
    failed.note(KEY, WHY, 0)
    assert cause(failed, 0) is None
    failed.note(KEY, WHY, 0)
    assert cause(failed, 0.5) == "it took too long; the first call in 2 s tries again"
    assert cause(failed, 2) is None
    failed.note(KEY, WHY, 2)
    assert cause(failed, 2) == "it took too long; the first call in 4 s tries again"
    for _ in range(9):
        failed.note(KEY, WHY, 10)
    assert cause(failed, 10) == "it took too long; the first call in 8 s tries again"
    found = failed.why(KEY, 10)
    assert found is not None
    assert (found.category, found.started, found.untaken) == (Category.TIMEOUT, False, True)


def test_others_and_one_that_opened_since_are_tried() -> None:
    failed = openings()
    failed.note(KEY, WHY, 0)
    failed.note(KEY, WHY, 0)
    assert cause(failed, 0, LaneKey(b"{}", scope=Scope(cwd="/b"))) is None
    failed.opened(KEY)
    failed.opened(KEY)
    assert cause(failed, 0) is None
    failed.note(KEY, WHY, 0)
    assert cause(failed, 0) is None


def test_a_client_that_leaves_and_many_that_fail_leave_nothing_behind() -> None:
    failed, ann = openings(), FakeClient()
    own: Any = LaneKey(b"{}", ann)
    failed.note(own, WHY, 0)
    failed.note(KEY, WHY, 0)
    failed.forget(ann)
    assert repr(failed) == "FailedOpenings(1)"
    for n in range(MOST + 5):
        failed.note(LaneKey(b"{}", scope=Scope(cwd=str(n))), WHY, 0)
    assert repr(failed) == f"FailedOpenings({MOST})"
    assert cause(failed, 0) is None
