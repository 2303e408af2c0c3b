"""What is kept of a session is small, and what is added to it later hurts no older listener."""

from __future__ import annotations

import msgspec

from callmux.stores.sessions import OVER, KeptSession, Over


def test_what_is_not_so_takes_no_room() -> None:
    kept = KeptSession(begun=1.0, version="2025-11-25", capabilities="{}")
    assert msgspec.json.encode(kept) == b'{"begun":1.0,"version":"2025-11-25","capabilities":"{}"}'


def test_what_a_newer_listener_adds_is_passed_over() -> None:
    newer = b'{"begun":1,"version":"v","capabilities":"{}","mood":"good"}'
    assert msgspec.json.decode(newer, type=KeptSession) == KeptSession(
        begun=1.0, version="v", capabilities="{}"
    )


def test_over_is_over() -> None:
    assert Over() == OVER
