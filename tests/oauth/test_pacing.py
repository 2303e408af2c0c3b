"""Renewals that fail come ever more rarely, over all processes, and there is a bound for each day."""

from __future__ import annotations

import pytest

from callmux.oauth.pacing import MOST_A_DAY, begun, failed, is_due, is_over, rest_of, succeeded, wait_of
from callmux.stores.sign_ins import Tokens, Trouble

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("life", "at", "due", "over"),
    [
        (3600, 3000, False, False),
        (3600, 3480, True, False),
        (3600, 3595, True, True),
        (40, 29, False, False),
        (40, 30, True, False),
        (40, 36, True, True),
        (0, 0, True, True),
        (None, 1e9, False, False),
    ],
)
def test_a_token_is_renewed_ahead_of_its_end(life: float | None, at: float, due: bool, over: bool) -> None:
    expires = None if life is None else NOW + life
    tokens = Tokens(access="a", obtained_at=NOW, expires_at=expires)
    assert (is_due(tokens, NOW + at), is_over(tokens, NOW + at)) == (due, over)


def test_pauses_grow_from_seconds_to_a_day() -> None:
    trouble, now, pauses = Trouble(), NOW, []
    for _ in range(20):
        assert wait_of(trouble, now) == 0
        trouble = failed(begun(trouble, now), now, reached=True, chance=0.5)
        pauses.append(wait_of(trouble, now))
        now += pauses[-1]
    assert pauses[0] == pytest.approx(5.0)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(86_400.0)
    assert sum(pause < 86_400 for pause in pauses) <= 15


def test_where_nobody_was_reached_a_minute_is_the_longest_pause() -> None:
    trouble = Trouble(failures=20)
    trouble = failed(begun(trouble, NOW), NOW, reached=False, chance=1.0)
    assert wait_of(trouble, NOW) <= 72.0


def test_a_success_forgets_the_pauses_and_not_the_count_of_the_day() -> None:
    trouble = succeeded(failed(begun(Trouble(), NOW), NOW, reached=True, chance=0.0))
    assert wait_of(trouble, NOW) == 0
    assert trouble.requests == 1
    assert not trouble.begun


def test_a_day_has_a_bound_whatever_happens() -> None:
    trouble = Trouble()
    for _ in range(MOST_A_DAY):
        assert wait_of(trouble, NOW) == 0
        trouble = succeeded(begun(trouble, NOW))
    left = wait_of(trouble, NOW)
    assert 0 < left <= 86_400
    assert wait_of(trouble, NOW + left) == 0
    assert begun(trouble, NOW + left).requests == 1


def test_a_clock_that_was_set_back_keeps_nobody_waiting_for_ever() -> None:
    assert wait_of(Trouble(failures=1, next_at=NOW + 1e7), NOW) == 0


def test_a_renewal_under_way_is_marked_so_that_a_death_is_seen() -> None:
    assert begun(Trouble(), NOW).begun
    assert not failed(begun(Trouble(), NOW), NOW, reached=True, chance=0.0).begun


def test_a_token_that_is_refused_again_and_again_rests_ever_longer() -> None:
    tokens = Tokens(access="a", obtained_at=NOW)
    trouble, rests = Trouble(), []
    for _ in range(40):
        rests.append(rest_of(trouble, tokens, NOW))
        trouble = succeeded(trouble, tokens, NOW + 1)
    assert rests[:7] == [0, 30, 60, 120, 240, 480, 900]
    assert max(rests) == 900
    assert rest_of(trouble, tokens, NOW + 900) == 0
    assert rest_of(trouble, tokens, NOW - 1e6) == 0
    assert succeeded(trouble, tokens, NOW + 3600).refusals == 1
    assert succeeded(trouble).refusals == 0
