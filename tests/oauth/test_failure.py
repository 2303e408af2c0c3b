"""A failure says what follows from it."""

from __future__ import annotations

from callmux.oauth.failure import SignInFailed, Why


def test_a_failure_has_a_reason_and_a_consequence() -> None:
    failure = SignInFailed("no", Why.NETWORK, "temporarily_unavailable")
    assert (failure.reason, failure.why, failure.code) == ("no", Why.NETWORK, "temporarily_unavailable")
    assert str(failure) == "no"
    assert SignInFailed("no").why is Why.REFUSED


def test_what_nobody_answered_passes_and_a_refusal_does_not() -> None:
    assert SignInFailed("no", Why.UNREACHED).passes
    assert SignInFailed("no", Why.NETWORK).passes
    assert not SignInFailed("no", Why.REVOKED).passes
