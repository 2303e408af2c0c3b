"""Sections about limits and reconnecting."""

from __future__ import annotations

from callmux.config.check import check_document
from callmux.config.traffic import AbuseControls, ReconnectPolicy


def test_defaults() -> None:
    policy = ReconnectPolicy()
    assert (policy.initial_delay_ms, policy.max_delay_ms, policy.jitter_ratio) == (250, 10000, 0.2)
    assert (policy.max_attempts, policy.fast_fail_during_backoff) == (None, True)
    assert AbuseControls() == AbuseControls(principal_max_in_flight=None, cidr_allowlist=())


def test_limits_are_read() -> None:
    checked = check_document(
        {
            "servers": {},
            "abuseControls": {"globalRequestsPerMinute": 1, "cidrAllowlist": ["10.0.0.0/8", "::1"]},
        }
    )
    assert checked.errors == []
    assert checked.config.abuse_controls.cidr_allowlist == ("10.0.0.0/8", "::1")
