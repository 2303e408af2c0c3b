"""The beginning of JSON data, and where it goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.shield.beginning import Beginning, Cut, begin, beginnings, whole_lines
from callmux.rings.shield.compact import DEEPEST, Limits

LIMITS = Limits(65536, 400, 10)


def of(value: Any, room: int = 1000, limits: Limits = LIMITS) -> tuple[Any, Beginning]:
    """What is shown of a value, and all that is known of it."""
    found = begin(json.dumps(value, separators=(",", ":")).encode(), limits, room)
    return json.loads(found.shown), found


def test_what_fits_is_whole() -> None:
    value = {"a": [1, 2, 3], "b": "x" * 400}
    shown, found = of(value)
    assert (shown, found.cuts, found.exact) == (value, (), True)


def test_a_text_ends_with_a_line_where_lines_are_short() -> None:
    text = "".join(f"line {n}\n" for n in range(100))
    shown, found = of(text)
    assert text.startswith(shown)
    assert shown.endswith("\n")
    assert 350 < len(shown) <= 400
    assert found.cuts == (Cut((), len(shown), len(text), "characters"),)
    shown, _ = of("a\n" + "x" * 1000)
    assert len(shown) == 400


def test_a_text_is_cut_between_characters() -> None:
    shown, _ = of("\U0001f600é\x01" * 1000, room=500, limits=Limits(65536, 8192, 10))
    assert ("\U0001f600é\x01" * 1000).startswith(shown)
    assert len(json.dumps(shown, ensure_ascii=False).encode()) <= 500


def test_an_array_ends_after_a_whole_item() -> None:
    rows = [{"id": n, "t": "x" * 90} for n in range(40)]
    shown, found = of(rows)
    assert shown == rows[: len(shown)]
    assert 5 < len(shown) < 10
    assert found.cuts == (Cut((), len(shown), 40, "items"),)
    shown, _ = of(list(range(40)))
    assert shown == list(range(10))


def test_an_item_that_alone_is_too_large_is_cut_itself() -> None:
    shown, found = of([{"id": 1, "t": "x" * 5000}, 2])
    assert shown[0]["id"] == 1
    text, rest = found.cuts
    assert (text.path, text.shown, text.total) == ("0.t", len(shown[0]["t"]), 5000)
    assert rest == Cut((), 1, 2, "items")


def test_members_share_the_room_and_each_says_where_it_goes_on() -> None:
    value = {"big": "x" * 5000, "small": 1, "rows": list(range(100))}
    shown, found = of(value)
    assert list(shown) == ["big", "small", "rows"]
    assert [(cut.path, cut.shown, cut.total) for cut in found.cuts] == [
        ("big", len(shown["big"]), 5000),
        ("rows", 10, 100),
    ]
    assert found.exact


def test_members_that_have_no_room_are_named_too() -> None:
    many = {f"member {n}": "x" * 300 for n in range(20)} | {"rows": [0] * 900, "more": {"a": "y" * 3000}}
    shown, found = of(many)
    assert shown["_callmuxTruncated"]["totalKeys"] == 22
    assert not found.exact
    assert Cut(("rows",), 0, 900, "items") in found.cuts
    assert {cut.path for cut in found.cuts} >= {"member 19", "rows"}


def test_base64_is_left_out_whole_and_that_is_no_beginning() -> None:
    shown, found = of({"mimeType": "image/png", "data": "A" * 5000})
    assert shown["data"] == "[...TRUNCATED: 5000 chars of base64]"
    assert (found.cuts, found.exact) == ((), False)


def test_pictures_behind_a_text_that_is_cut_are_nothing_to_go_on_with() -> None:
    picture = {"type": "image", "mimeType": "image/png", "data": "A" * 50}
    words = {"type": "text", "text": "word " * 900}
    _, found = of({"content": [words, picture, picture]})
    assert [cut.path for cut in found.cuts] == ["content.0.text"]
    assert not found.exact
    _, found = of({"content": [words, picture, words, 7]})
    assert [cut.path for cut in found.cuts] == ["content.0.text", "content"]


def test_what_is_no_container_is_whole() -> None:
    assert of(10**600, room=100)[1].shown == str(10**600).encode()


def test_what_is_too_deep_is_left_out() -> None:
    deep: Any = "x" * 5000
    for _ in range(DEEPEST + 5):
        deep = [deep]
    assert not of(deep)[1].exact


@pytest.mark.parametrize(
    ("text", "most", "shown"), [("ab\ncd\nef", 7, 6), ("ab\ncd\nef", 8, 6), ("a\nbcdef", 6, 6), ("", 0, 0)]
)
def test_whole_lines(text: str, most: int, shown: int) -> None:
    assert whole_lines(text, most) == shown


@given(st.text(min_size=1, max_size=300), st.integers(40, 400))
def test_a_text_is_its_beginning_whatever_is_in_it(text: str, room: int) -> None:
    shown, found = of(text, room, Limits(65536, 200, 10))
    assert text.startswith(shown)
    assert [cut.shown for cut in found.cuts] == ([] if shown == text else [len(shown)])


def test_what_is_shown_of_a_text_is_found_wherever_it_stands() -> None:
    text = "text of many words and more of them " * 40
    shown = json.dumps({"content": [{"type": "text", "text": text[:90]}, {"type": "text", "text": "ab"}]})
    assert beginnings([text, "ab"], shown.encode()) == [text[:90], "ab"]
    assert beginnings([text, "abc"], shown.encode()) is None, "what is short may be there by chance"
    assert beginnings(["type"], b'{"rows": [1, "", true]}') is None
    assert beginnings([text], b"{") is None
