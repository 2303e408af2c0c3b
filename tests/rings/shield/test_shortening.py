"""How a result is to be shortened, as it goes to the helper process, and what comes back from there."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from callmux.rings.shield.compact import Limits
from callmux.rings.shield.reading import read
from callmux.rings.shield.shortening import META_KEY, TOOL, Shortening, ShortReply, in_place, text_item
from callmux.stores.results import Remainder


def test_an_order_reaches_the_helper_as_it_is() -> None:
    order = Shortening(limits=Limits(1, 2, 3, reads_on=True), tool="t", server=None, ref="r", several=True)
    assert msgspec.json.decode(msgspec.json.encode(order), type=Shortening) == order


def test_a_rest_is_worth_as_much_as_the_turn_that_would_ask_for_it_reads_again() -> None:
    def worth(again: int | None, most: int = 65536) -> int:
        limits = Limits(most, 8192, 50, reads_on=True)
        return Shortening(limits=limits, tool="t", server=None, ref="r", again=again).worth

    assert worth(None) == 32768
    assert worth(0) == 8192
    assert worth(10_000) == 18_192
    assert worth(10**9) == 65536
    # A beginning has no more room than a whole result may have.
    assert worth(0, 5000) == worth(10**9, 5000) == 5000


def test_a_reply_that_is_no_beginning_goes_on_nowhere() -> None:
    assert ShortReply(b"{}").remainders == ()
    assert ShortReply(b"{}", (Remainder("a", 1),)).remainders[0].offset == 1


def test_the_short_note_names_the_ref_where_there_is_one() -> None:
    order = Shortening(limits=Limits(1, 2, 3), tool="t", server=None, ref="r_1")
    assert order.brief == {"truncated": True, "ref": "r_1", "tool": TOOL}
    lost = Shortening(limits=Limits(1, 2, 3), tool="t", server=None, ref="")
    assert lost.brief == {"truncated": True, "tool": TOOL}


def replaced(
    came: dict[str, Any], structured: bytes | None = None, note: dict[str, Any] | None = None
) -> Any:
    result = read(json.dumps({"content": [{"type": "text", "text": "long"}], **came}).encode())
    assert result is not None
    return json.loads(in_place(result, [text_item("short")], structured, note))


def test_an_error_stays_one_and_what_the_tool_says_beside_its_content_stays() -> None:
    short = {"content": [{"type": "text", "text": "short"}]}
    assert replaced({}) == short
    assert replaced({"_meta": "no object"}) == short
    assert replaced({"isError": True, "_meta": {"own": 1}}) == {**short, "isError": True, "_meta": {"own": 1}}
    found = replaced({"_meta": {"own": 1}}, b'{"a":1}', {"truncated": True})
    assert found["structuredContent"] == {"a": 1}
    assert found["_meta"] == {"own": 1, META_KEY: {"truncated": True}}
