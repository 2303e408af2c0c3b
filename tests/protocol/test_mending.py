"""What is nearly JSON becomes JSON, and nothing else changes."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.protocol.mending import clean, mended, read_leniently
from tests.support import steps

values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"\ud83d"', rb'"\ufffd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ude00\ud83d"', rb'"\ufffd\ufffd"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\ufffd\ud83d\ude00"'),
        (rb'"\\ud83d"', rb'"\\ud83d"'),
        (rb'"\\\ud83d"', rb'"\\\ufffd"'),
        (rb'"\uD83D "', rb'"\ufffd "'),
        (
            b'{"NaN":NaN,"a":[Infinity,-Infinity],"b":"Infinity \\" NaN"}',
            b'{"NaN":null,"a":[null,null],"b":"Infinity \\" NaN"}',
        ),
        (b'"\xff"', '"\ufffd"'.encode()),
        (b"[1.10,1e400,0.1]", b"[1.10,1e400,0.1]"),
    ],
)
def test_only_what_is_refused_is_replaced(text: bytes, expected: bytes) -> None:
    assert mended(text) == expected


@given(values)
def test_what_another_reader_writes_can_be_read(value: Any) -> None:
    """The value that comes out is the one that `clean` makes."""
    text = mended(json.dumps(value).encode())
    assert json.loads(msgspec.json.format(text)) == json.loads(json.dumps(clean(value)))


@given(values)
def test_a_clean_value_can_be_encoded(value: Any) -> None:
    msgspec.json.encode(clean(value))


def test_numbers_that_json_has_stay() -> None:
    assert clean([1, 1.5, math.nan, math.inf, True]) == [1, 1.5, None, None, True]


@pytest.mark.parametrize(
    "unit",
    [b"\\ud83d", b"NaN,", b"-", b'"', b'\\"', b"\\", b'"NaN', b'"\\', b"N", b"I", b"\\ud83d\\", b'"a\\n",'],
)
def test_a_text_takes_the_same_steps_however_long_it_is(unit: bytes) -> None:
    """What is right is passed over in one step, and there is a bound for what is wrong."""

    def taken(size: int) -> int:
        return steps(lambda: mended(b'\\ud83d NaN "' + unit * (size // len(unit))))

    assert taken(400_000) <= taken(200_000) + 10


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("\ud83d", "\ufffd"),
        ("a\udc00b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        (
            {"\ud83d": ["\udcff", 1.5, math.inf, math.nan, None, True, 7]},
            {"\ufffd": ["\ufffd", 1.5, None, None, None, True, 7]},
        ),
    ],
)
def test_half_a_pair_in_a_value_becomes_a_mark_and_a_whole_one_the_letter(value: Any, cleaned: Any) -> None:
    assert clean(value) == cleaned


def test_the_standard_library_reads_what_msgspec_refuses() -> None:
    assert read_leniently(b'{"id": 5.0, "text": "\\ud800"}') == {"id": 5.0, "text": "\ud800"}
    assert math.isnan(read_leniently(b"NaN"))
    with pytest.raises(ValueError):
        read_leniently(b"{")
