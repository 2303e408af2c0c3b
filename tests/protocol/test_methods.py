"""No name is both a request and a notification."""

from __future__ import annotations

from callmux.protocol.methods import HARMLESS, REQUESTS


def test_notifications_are_named_so_and_requests_are_not() -> None:
    assert all(name.startswith("notifications/") for name in HARMLESS)
    assert not any(name.startswith("notifications/") for name in REQUESTS)
