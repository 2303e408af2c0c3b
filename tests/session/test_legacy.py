"""What a session leaves to the process that takes it up."""

from __future__ import annotations

import json

import msgspec

from callmux.session.legacy import Legacy


def test_wishes_bring_a_session_where_the_old_one_was() -> None:
    left = Legacy(log_level="debug", client_name="c", subscriptions=["a", "b"])
    assert [(method, json.loads(params)) for method, params in left.wishes()] == [
        ("logging/setLevel", {"level": "debug"}),
        ("resources/subscribe", {"uri": "a"}),
        ("resources/subscribe", {"uri": "b"}),
    ]
    assert msgspec.json.decode(msgspec.json.encode(left), type=Legacy) == left


def test_nothing_left_is_nothing_to_wish_for() -> None:
    assert Legacy().wishes() == []
