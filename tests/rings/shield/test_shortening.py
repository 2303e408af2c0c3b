"""How a result is to be shortened, as it goes to the helper process, and what comes back from there."""

from __future__ import annotations

import msgspec

from callmux.rings.shield.compact import Limits
from callmux.rings.shield.shortening import Shortening, ShortReply
from callmux.stores.results import Remainder


def test_an_order_reaches_the_helper_as_it_is() -> None:
    order = Shortening(limits=Limits(1, 2, 3, reads_on=True), tool="t", server=None, ref="r", several=True)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Shortening) == order


def test_a_reply_that_is_no_beginning_goes_on_nowhere() -> None:
    assert ShortReply(b"{}").remainders == ()
    assert ShortReply(b"{}", (Remainder("a", 1),)).remainders[0].offset == 1
