"""Shortening JSON gives JSON, within limits and budget, and says what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.shield.compact import Limits, clip_text, cut, fitting, is_over, is_quiet, without_base64

LIMITS = Limits(65536, 100, 5)


def raw(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def shown(value: Any, limits: Limits = LIMITS, budget: int = 65536) -> Any:
    return json.loads(cut(raw(value), limits, budget))


def test_what_is_within_the_limits_stays_byte_for_byte() -> None:
    text = b'{"a":[1,2,3,4,12345678901234567890123],"b":"\\u00e9"}'
    assert cut(text, LIMITS, 1000) == text


def test_a_long_string_says_how_much_is_missing() -> None:
    assert shown("x" * 120) == "x" * 100 + "\n[...TRUNCATED: 20 more chars]"
    assert clip_text("abc", 1, "more") == "a\n[...TRUNCATED: 2 more]"


def test_a_string_at_the_limit_passes() -> None:
    assert shown("é" * 100) == "é" * 100


def test_a_long_array_ends_in_a_marker() -> None:
    marker = {"_callmuxTruncated": True, "totalItems": 7, "shownItems": 5, "remainingItems": 2}
    assert shown(list(range(7))) == [0, 1, 2, 3, 4, marker]
    assert shown({"deep": [{"rows": list(range(7))}]})["deep"][0]["rows"][-1] == marker


def test_digits_survive_where_something_else_is_cut() -> None:
    text = b'{"n":12345678901234567890123.0,"long":"' + b"x" * 200 + b'"}'
    assert b'"n":12345678901234567890123.0' in cut(text, LIMITS, 1000)


def test_a_budget_is_shared_evenly_and_the_rest_goes_to_the_large() -> None:
    value = {"id": 7, "a": "x" * 5000, "b": "y" * 5000}
    found = shown(value, Limits(10**6, 10**6, 50), 1000)
    assert found["id"] == 7
    assert abs(len(found["a"]) - len(found["b"])) < 50
    assert 700 < len(raw(found)) <= 1000


def test_rows_too_large_for_the_budget_are_fewer() -> None:
    found = shown([{"t": "x" * 300_000}] * 3, Limits(65536, 8192, 50), 8192)
    assert len(raw(found)) <= 8400
    assert all("TRUNCATED" in row["t"] for row in found)


def test_an_object_with_very_many_keys_is_cut_too() -> None:
    found = shown({f"key{n}": n for n in range(10_000)}, LIMITS, 1000)
    assert found["_callmuxTruncated"]["totalKeys"] == 10_000
    assert len(raw(found)) < 1200


def test_half_a_picture_is_no_picture() -> None:
    """W6: base64 is left out as a whole or not at all."""
    found = shown([{"type": "image", "mimeType": "image/png", "data": "A" * 500}])
    assert found[0]["data"] == "[...TRUNCATED: 500 chars of base64]"


def test_very_deep_json_does_not_exhaust_the_stack() -> None:
    deep = b"[" * 300 + b'"' + b"x" * 200 + b'"' + b"]" * 300
    assert is_over(deep, LIMITS)
    json.loads(cut(deep, LIMITS, 300))


@pytest.mark.parametrize(
    ("value", "over"),
    [
        ("x" * 101, True),
        ("x" * 100, False),
        ("é" * 100, False),
        (list(range(6)), True),
        (list(range(5)), False),
        ({"a": {"b": list(range(6))}}, True),
        ({str(n): n for n in range(50)}, False),
        ([[1, 2, 3, 4, 5]] * 5, False),
        (10**150, False),
    ],
)
def test_the_limits_are_exact(value: Any, over: bool) -> None:
    assert is_over(raw(value), LIMITS) is over


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=60,
)


@given(VALUES)
def test_the_cheap_test_never_passes_what_is_over(value: Any) -> None:
    if is_quiet(raw(value), LIMITS):
        assert not is_over(raw(value), LIMITS)


@given(VALUES, st.integers(200, 5000))
def test_what_is_cut_is_json_and_keeps_to_the_limits(value: Any, budget: int) -> None:
    found = json.loads(cut(raw(value), LIMITS, budget))
    assert type(found) is type(value)
    assert not is_over(raw(found), Limits(0, 140, 6))


@given(st.text(), st.integers(2, 200))
def test_what_fits_fits(text: str, budget: int) -> None:
    count = fitting(text, budget)
    assert len(raw(text[:count])) <= budget * 6


def test_a_number_stays_however_long_it_is() -> None:
    digits = b"1" * 200
    assert cut(digits, LIMITS, 10) == digits
    assert cut(b"[" + digits + b"]", LIMITS, 1000) == b"[" + digits + b"]"


def test_base64_is_left_out_wherever_it_stands_and_nothing_else() -> None:
    picture = {"type": "image", "mimeType": "image/png", "data": "A" * 200}
    blob = {"uri": "a://b", "mimeType": "x/y", "blob": "B" * 200}
    value: dict[str, Any] = {
        "list": [picture, {"resource": blob}, 1.10, "A" * 200],
        "mimeType": 7,
        "none": None,
    }
    found = json.loads(without_base64(raw(value), LIMITS))
    assert found["list"][0]["data"] == "[...TRUNCATED: 200 chars of base64]"
    assert found["list"][1]["resource"]["blob"] == "[...TRUNCATED: 200 chars of base64]"
    assert (found["list"][2:], found["none"]) == (value["list"][2:], None)
    untouched = b'{"a": [1, 2.10], "data": "' + b"A" * 200 + b'"}'
    assert without_base64(untouched, LIMITS) is untouched
    assert without_base64(b'"mimeType"', LIMITS) == b'"mimeType"'
    plain_blob = {"resource": {"uri": "a://b", "blob": "B" * 200}}
    assert "base64" in json.loads(without_base64(raw(plain_blob), LIMITS))["resource"]["blob"]
    small = {"mimeType": "image/png", "data": "A"}
    assert without_base64(raw(small), LIMITS) == raw(small)
    deep: Any = picture
    for _ in range(70):
        deep = [deep]
    assert b"AAAA" in without_base64(raw(deep), LIMITS)
