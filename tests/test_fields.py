"""Reading untrusted members: values exactly as given, errors with a path."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from callmux.errors import InvalidArguments
from callmux.fields import MAX_TIMEOUT_MS, Fields, as_object


def fields(json_text: str, path: str = "") -> Fields:
    return Fields(as_object(json_text.encode(), "arguments"), path)


def problem(read: Callable[[], Any]) -> dict[str, Any]:
    """The details of the error that a read ends in."""
    with pytest.raises(InvalidArguments) as caught:
        read()
    assert str(caught.value.details["field"]) in caught.value.message
    return dict(caught.value.details)


@pytest.mark.parametrize("text", ["[1]", '"x"', "null", "7", "true", "{", "", '{"a":1}}', "[" * 5000])
def test_what_is_no_object_is_refused(text: str) -> None:
    assert problem(lambda: fields(text)) == {"field": "arguments"}


def test_members_stay_raw() -> None:
    assert fields('{"a": 12345678901234567890}').members["a"] == Raw(b"12345678901234567890")


def test_paths_lead_from_the_top() -> None:
    assert fields("{}").path("a") == "a"
    assert fields("{}", "calls[0]").path("a") == "calls[0].a"
    inner = fields('{"calls":[{},{"tool":""}]}').objects("calls")[1]
    assert problem(lambda: inner.text("tool")) == {"field": "calls[1].tool"}


def test_text_is_given_as_it_stands() -> None:
    assert fields('{"a":" x "}').text("a") == " x "
    assert fields("{}").optional_text("a") is None
    assert fields("{}").any_text("a") is None
    assert fields('{"a":""}').any_text("a") == ""


@pytest.mark.parametrize("value", ["null", '""', '" \\t"', "5", "[]", "{}", "true"])
def test_text_that_is_none_or_blank_is_refused(value: str) -> None:
    read = fields(f'{{"a":{value}}}')
    assert problem(lambda: read.text("a")) == {"field": "a"}
    assert problem(lambda: read.optional_text("a")) == {"field": "a"}


def test_required_members_are_required() -> None:
    assert problem(lambda: fields("{}").text("a")) == {"field": "a"}
    assert problem(lambda: fields("{}").array("a")) == {"field": "a"}
    assert problem(lambda: fields("{}").objects("a")) == {"field": "a"}


@pytest.mark.parametrize(("value", "number"), [("1", 1), ("5.0", 5), ("1e2", 100), ("100", 100)])
def test_whole_numbers_in_any_spelling(value: str, number: int) -> None:
    assert fields(f'{{"a":{value}}}').integer("a", 1, 100) == number


@pytest.mark.parametrize("value", ["1.5", '"5"', "true", "null", "[]", "1e400", "9" * 5000, "0", "-1"])
def test_what_is_no_whole_number_in_bounds_is_refused(value: str) -> None:
    assert problem(lambda: fields(f'{{"a":{value}}}').integer("a", 1, 100))["field"] == "a"


def test_an_upper_bound_is_told() -> None:
    assert problem(lambda: fields('{"a":101}').integer("a", 1, 100)) == {"field": "a", "max": 100}
    assert problem(lambda: fields('{"timeoutMs":2147483648}').timeout_ms()) == {
        "field": "timeoutMs",
        "max": MAX_TIMEOUT_MS,
    }


def test_a_lower_bound_is_not_a_maximum() -> None:
    assert problem(lambda: fields('{"timeoutMs":0}').timeout_ms()) == {"field": "timeoutMs"}
    assert fields('{"timeoutMs":2147483647}').timeout_ms() == MAX_TIMEOUT_MS
    assert fields("{}").timeout_ms() is None


def test_directories_are_absolute_and_trimmed() -> None:
    assert fields('{"cwd":" /tmp "}').cwd() == "/tmp"
    assert fields("{}").cwd() is None
    for value in ('""', '"x/y"', '"./x"', "5", "null"):
        read = fields(f'{{"cwd":{value}}}')
        assert problem(read.cwd) == {"field": "cwd"}
    with pytest.raises(InvalidArguments, match="must be an absolute path"):
        fields('{"cwd":"x"}').cwd()


def test_booleans_are_booleans() -> None:
    assert fields('{"a":true}').boolean("a", False) is True
    assert fields("{}").boolean("a", True) is True
    for value in ('"true"', "1", "null"):
        read = fields(f'{{"a":{value}}}')
        assert problem(lambda read=read: read.boolean("a", False)) == {"field": "a"}  # type: ignore[misc]


def test_choices_are_closed() -> None:
    assert fields('{"a":"x"}').choice("a", ("x", "y")) == "x"
    assert fields("{}").choice("a", ("x",)) is None
    for value in ('"X"', "1", "null"):
        read = fields(f'{{"a":{value}}}')
        assert problem(lambda read=read: read.choice("a", ("x", "y"))) == {"field": "a"}  # type: ignore[misc]


def test_objects_and_arrays() -> None:
    read = fields('{"o":{"k":1.0},"l":[1,{"a":2}],"n":null}')
    assert read.optional_object("o") == {"k": Raw(b"1.0")}
    assert read.optional_object("x") is None
    assert problem(lambda: read.optional_object("l")) == {"field": "l"}
    assert problem(lambda: read.optional_object("n")) == {"field": "n"}
    assert read.array("l") == [Raw(b"1"), Raw(b'{"a":2}')]
    assert problem(lambda: read.array("o")) == {"field": "o"}
    assert problem(lambda: read.objects("l")) == {"field": "l[0]"}
    assert read.has("n")
    assert not read.has("x")


@given(st.binary(max_size=40))
def test_no_bytes_break_a_reader(raw: bytes) -> None:
    read = Fields({"a": Raw(raw)})
    for attempt in (
        lambda: read.text("a"),
        lambda: read.any_text("a"),
        lambda: read.integer("a", 0),
        lambda: read.boolean("a", False),
        lambda: read.choice("a", ("x",)),
        lambda: read.optional_object("a"),
        lambda: read.objects("a"),
        lambda: read.cwd("a"),
    ):
        with contextlib.suppress(InvalidArguments):
            attempt()
