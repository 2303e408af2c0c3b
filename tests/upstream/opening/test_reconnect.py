"""How long to wait before each attempt to connect again."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.traffic import ReconnectPolicy
from callmux.upstream.opening.reconnect import Timing, delay_seconds, rest_seconds, timing_of


def policy(**changes: object) -> ReconnectPolicy:
    facts: dict[str, Any] = {
        "initial_delay_ms": 1000,
        "max_delay_ms": 30_000,
        "jitter_ratio": 0.2,
        "max_attempts": None,
    }
    return ReconnectPolicy(**{**facts, **changes})


def test_the_delay_doubles_up_to_its_maximum() -> None:
    delays = [delay_seconds(policy(), n, lambda: 0.5) for n in range(8)]
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_the_delay_is_spread_both_ways(chance: float, expected: float) -> None:
    """So that many servers that were lost together do not come back together."""
    assert delay_seconds(policy(), 0, lambda: chance) == pytest.approx(expected)


def test_any_number_of_attempts_has_a_delay() -> None:
    assert delay_seconds(policy(), 100_000, lambda: 0.5) == 30


def test_a_first_delay_beyond_the_maximum_counts() -> None:
    longer = policy(initial_delay_ms=5000, max_delay_ms=1000)
    assert [delay_seconds(longer, n, lambda: 0.5) for n in range(3)] == [5, 5, 5]


def test_a_policy_gives_up_after_its_last_attempt() -> None:
    given = policy(max_attempts=2)
    assert [delay_seconds(given, n, lambda: 0.5) for n in range(4)] == [1, 2, None, None]


def test_chance_decides_where_nobody_else_does() -> None:
    delay = delay_seconds(policy(), 0)
    assert delay is not None
    assert 0.8 <= delay <= 1.2


def test_what_will_not_go_away_by_itself_is_tried_at_the_longest_delay() -> None:
    """A program that is not on the PATH need not be looked for every second."""
    assert [delay_seconds(policy(), n, lambda: 0.5, lasting=True) for n in (0, 5)] == [30, 30]
    assert delay_seconds(policy(max_attempts=1), 1, lasting=True) is None


def test_the_timing_of_a_server_is_what_its_configuration_says() -> None:
    servers = {"a": {"command": "x"}, "b": {"command": "x", "connectTimeoutMs": 1500, "start": "lazy"}}
    document = {"servers": servers, "idleStopSeconds": 60, "reconnectPolicy": {"maxAttempts": 3}}
    config = check_document(document).config
    own = ReconnectPolicy(max_attempts=3)
    assert timing_of(config, "a") == Timing(30, own, lazy=False, idle_seconds=60)
    assert timing_of(config, "b") == Timing(1.5, own, lazy=True, idle_seconds=60)


def test_a_server_may_be_down_by_itself_where_it_starts_late_or_stops_early() -> None:
    timings = [Timing(1, policy(), lazy, idle) for lazy in (False, True) for idle in (None, 9)]
    assert [timing.on_demand for timing in timings] == [False, True, True, True]


def test_whoever_needs_a_server_is_never_told_that_it_is_given_up() -> None:
    given_up = policy(max_attempts=1, jitter_ratio=0.0)
    assert delay_seconds(given_up, 5) is None
    assert rest_seconds(given_up, 5) == 30.0
