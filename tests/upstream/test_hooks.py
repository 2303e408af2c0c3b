"""What a server does by itself is heard by whoever made its connection."""

from __future__ import annotations

from callmux.protocol.unanswered import Unanswered
from callmux.upstream.hooks import Hooks


def test_each_has_its_own_record_of_what_was_given_up() -> None:
    async def asked(*_: object) -> bytes:
        return b"{}"

    one, other = (
        Hooks(told=lambda *_: None, asked=asked, lost=lambda *_: None, noise=lambda *_: None)
        for _ in range(2)
    )
    assert isinstance(one.unanswered, Unanswered)
    assert one.unanswered is not other.unanswered
