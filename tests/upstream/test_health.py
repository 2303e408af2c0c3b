"""The record of a server, as status shows it."""

from __future__ import annotations

from callmux.timestamps import iso
from callmux.upstream.health import MOST_SAID, Health, State

LATER = 100.0


def test_a_server_begins_by_starting() -> None:
    health = Health()
    assert health.record() == {"state": "starting", "connectDurationMs": 0}
    assert health.last_seen(5.0) == iso(5.0)


def test_a_success_wipes_the_failures_but_not_the_time_of_the_last() -> None:
    health = Health()
    health.attempt_failed("no", 1.0)
    health.attempt_failed("still no", 2.0)
    failed = health.record()
    assert (failed["error"], failed["consecutiveFailures"], failed["reconnectAttempts"]) == ("still no", 2, 2)
    assert health.failed_attempt
    health.connected(3.0)
    assert health.record() == {
        "state": "connected",
        "connectDurationMs": 0,
        "lastConnectedAt": iso(3.0),
        "lastFailureAt": iso(2.0),
    }
    assert not health.failed_attempt
    assert health.last_seen(9.0) == iso(3.0)


def test_a_connection_that_lived_starts_with_short_delays_again() -> None:
    health = Health()
    health.attempt_failed("no", 1.0)
    health.connected(2.0)
    health.disconnected("gone", 2.0 + LATER, LATER)
    assert (health.state, health.step) == (State.DISCONNECTED, 0)


def test_a_connection_that_died_at_once_does_not() -> None:
    health = Health()
    for n in range(3):
        health.connected(float(n))
        health.disconnected("gone", n + 0.5, LATER)
    assert health.step == 3


def test_the_next_attempt_is_shown_while_one_is_due() -> None:
    health = Health()
    health.attempt_failed("no", 1.0)
    health.retries_at(7.0)
    assert (health.state, health.record()["nextRetryAt"]) == (State.RECONNECTING, iso(7.0))
    health.retries_at(None)
    assert "nextRetryAt" not in health.record()


def test_once_given_up_a_later_call_begins_anew() -> None:
    health = Health()
    for n in range(5):
        health.attempt_failed("no", float(n))
    health.gave_up()
    assert (health.state, health.step, health.failed_attempt) == (State.FAILED, 1, False)


def test_a_failure_is_told_from_the_one_before_by_more_than_its_numbers() -> None:
    health = Health()
    assert not health.attempt_failed("process 7 ended", 1.0)
    assert health.attempt_failed("process 8 ended", 2.0)
    assert not health.attempt_failed("it is not there", 3.0)
    assert health.attempts == 3
    health.connected(4.0)
    assert not health.attempt_failed("it is not there", 5.0)


def test_what_a_server_says_at_each_failed_start_is_news_once() -> None:
    health = Health()
    trace = ["at 12:01", "Traceback", "Traceback", "no key"]
    assert [health.is_news(line) for line in trace] == [True] * 4
    health.attempt_failed("ended", 1.0)
    assert [health.is_news(line) for line in ["at 12:02", "Traceback", "another", "another"]] == [
        False,
        False,
        True,
        False,
    ]
    health.connected(2.0)
    assert all(health.is_news(line) for line in trace * 2)
    health.disconnected("gone", 3.0, 10.0)
    assert health.is_news("Traceback")


def test_only_so_many_lines_are_remembered() -> None:
    health = Health()
    for letter in range(MOST_SAID * 2):
        health.is_news("x" * letter)
    assert len(health._said) == MOST_SAID


def test_a_restart_on_demand_forgets_how_often_it_failed_before() -> None:
    health = Health()
    health.attempt_failed("no", 1.0)
    health.gave_up()
    states = [health.state]
    health.starts_over()
    assert [*states, health.state] == [State.FAILED, State.RECONNECTING]
    assert (health.step, health.failed_attempt) == (0, False)


def test_a_server_that_is_put_to_sleep_starts_without_the_delays_of_before() -> None:
    health = Health()
    health.attempt_failed("no", 1.0)
    health.sleeps()
    assert (health.state, health.step, health.failed_attempt) == (State.SLEEPING, 0, False)
    health.wakes()
    assert health.record()["state"] == "starting"


def test_a_server_that_a_person_must_sign_in_to_says_so_until_it_is_connected() -> None:
    health = Health()
    health.attempt_failed("sign in", 1.0, sign_in=True)
    assert health.record()["signInNeeded"] is True
    health.attempt_failed("gone", 2.0)
    assert "signInNeeded" not in health.record()
    health.attempt_failed("sign in", 3.0, sign_in=True)
    health.connected(4.0)
    assert "signInNeeded" not in health.record()


def test_a_server_that_rests_says_until_when() -> None:
    health = Health()
    health.attempt_failed("no", 1.0)
    health.rests(9.0)
    assert (health.state, health.record()["nextRetryAt"]) == (State.FAILED, iso(9.0))
