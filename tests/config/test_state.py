"""`state`: what it may say."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.state import StateSection


def checked(**state: Any) -> tuple[list[str], list[str]]:
    found = check_document({"servers": {}, "state": state})
    return found.errors, found.warnings


def test_nothing_is_shared_where_nothing_is_said() -> None:
    assert check_document({"servers": {}}).config.state is None


def test_defaults() -> None:
    found = check_document({"servers": {}, "state": {"url": "redis://a"}})
    assert found.errors == found.warnings == []
    assert found.config.state == StateSection(
        url="redis://a",
        key_prefix="callmux:",
        timeout_ms=500,
        connect_timeout_ms=2000,
        on_unavailable="closed",
    )


@pytest.mark.parametrize("url", ["env:REDIS_URL", "file:redis.url", "${REDIS_URL}", "redis://:${env:P}@a"])
def test_a_url_may_be_a_reference_or_hold_one(url: str) -> None:
    assert checked(url=url) == ([], [])


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({}, "state.url"),
        ({"url": "http://a"}, "state.url must be redis://"),
        ({"url": "redis://a", "password": "hush"}, "state.password"),
        ({"url": "redis://a", "key": "hush"}, "state.key"),
        ({"url": "redis://a", "keyPrefix": "a{b}"}, "state.keyPrefix cannot have"),
        ({"url": "redis://a", "onUnavailable": "ajar"}, "state.onUnavailable"),
        ({"url": "redis://a", "timeoutMs": 0}, "state.timeoutMs"),
        ({"url": "redis://a", "node": {"listen": "a:1"}}, "state.key is required with node"),
    ],
)
def test_what_cannot_be_is_named(state: dict[str, Any], problem: str) -> None:
    (error,), _ = checked(**state)
    assert error.startswith(problem)


def test_a_password_that_is_written_out_is_warned_about() -> None:
    errors, (warning,) = checked(url="redis://:hush@a")
    assert errors == []
    assert "env:REDIS_PASSWORD" in warning
    assert "hush" not in warning


def test_certificates_without_tls_are_noticed() -> None:
    assert "rediss://" in checked(url="redis://a", caFile="ca.pem")[1][0]
    assert checked(url="rediss://a", caFile="ca.pem") == ([], [])
