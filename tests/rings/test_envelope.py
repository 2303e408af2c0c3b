"""The two forms of our own answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.errors import CallmuxError, InvalidArguments
from callmux.portions import PIECE, Portions, finished
from callmux.protocol.shapes import Result
from callmux.rings.envelope import encode, failure, succeeding, success


def test_a_payload_goes_out_as_text_and_structured() -> None:
    result = success({"status": "ok", "n": Raw(b"12345678901234567890"), "s": 'quoted "é" \n'})
    value = json.loads(result.raw)
    assert list(value) == ["content", "structuredContent"]
    assert value["structuredContent"] == {"status": "ok", "n": 12345678901234567890, "s": 'quoted "é" \n'}
    (item,) = value["content"]
    assert item["type"] == "text"
    assert json.loads(item["text"]) == value["structuredContent"]
    assert not result.is_error


def test_the_text_is_compact() -> None:
    """Deliberate: the original prints it with indentation, which models pay for."""
    text = json.loads(success({"a": [1, {"b": 2}]}).raw)["content"][0]["text"]
    assert text == '{"a":[1,{"b":2}]}'


def test_an_answer_is_one_line() -> None:
    assert b"\n" not in success({"s": "a\nb\u2028"}).raw


def test_an_error_says_code_message_and_details() -> None:
    result = failure(InvalidArguments("limit must be at most 50", field="limit", max=50, absent=None))
    described = {
        "code": "invalid_arguments",
        "message": "limit must be at most 50",
        "details": {"field": "limit", "max": 50},
    }
    value = json.loads(result.raw)
    assert value["isError"] is True
    assert result.is_error
    assert value["structuredContent"] == {"error": described}
    assert json.loads(value["content"][0]["text"]) == {"error": described}


def test_empty_details_are_left_out() -> None:
    error = json.loads(failure(CallmuxError("x")).raw)["structuredContent"]["error"]
    assert error == {"code": "internal_error", "message": "x"}


@pytest.mark.parametrize("value", ["\udcff", {"\ud800": 1}, ["a", ("\udcff",)], {"a": {"b": ["\udcff", 5]}}])
def test_what_json_cannot_carry_is_replaced(value: Any) -> None:
    """File names from the system may hold such halves."""
    assert b"?" in encode(value)
    json.loads(encode(value))


@pytest.mark.parametrize("sign", ["x", '"', "\\", "\n", "ü", "😀"])
def test_a_large_answer_is_put_together_in_portions_and_is_the_same(sign: str) -> None:
    payload = {"value": "x" * (PIECE - 12) + sign * PIECE}
    portions: list[None] = []

    def counted() -> Portions[Result]:
        work = succeeding(payload)
        while True:
            try:
                portions.append(next(work))
            except StopIteration as over:
                whole: Result = over.value
                return whole
            yield

    assert finished(counted()).raw == success(payload).raw
    assert len(portions) > len(success(payload).raw) // PIECE - 2


def test_a_small_answer_is_one_portion() -> None:
    with pytest.raises(StopIteration) as over:
        next(succeeding({"a": 1}))
    assert over.value.value.raw == success({"a": 1}).raw
