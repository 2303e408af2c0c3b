"""Mapping expressions: the old grammar to the letter, and what it could not reach."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.metatools.mapping import NOT_FOUND, NOT_JSON, Expression, Missing, evaluating, parse
from callmux.portions import PIECE, finished
from callmux.protocol.shapes import Result
from tests.metatools.conftest import text

FIND: dict[str, Any] = {
    "items": [{"number": 7, "tags": ["p", "q"]}],
    "total": 2,
    "none": None,
    "title": "T",
    "a[0]": "br",
    "": {"x": "emptykey"},
    "x": {"": 5},
    "a.b": {"c d": "dotted"},
    "length": "own",
}


def result(value: Any) -> Result:
    return Result(json.dumps(value).encode())


def value_of(source: str, *results: dict[str, Any]) -> Any:
    """The value of an expression, or the reason that it has none."""
    found = finished(evaluating(parse(source), [result(r) for r in results]))
    return found if isinstance(found, Missing) else json.loads(bytes(found))


def of_find(source: str) -> Any:
    return value_of(source, text(json.dumps(FIND)))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("$json", FIND),
        ("$json.total", 2),
        ("$json.items.0.number", 7),
        ("$json.items.0.tags.1", "q"),
        ("$json.items.length", 1),
        ("$json.none", None),
        ("$json.length", "own"),
        ("$json.", {"x": "emptykey"}),
        ("$json..x", "emptykey"),
        ("$json.x.", 5),
        ("$json.a[0]", "br"),
    ],
)
def test_the_old_grammar_is_kept(source: str, value: Any) -> None:
    assert of_find(source) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('$json["a.b"]["c d"]', "dotted"),
        ("$json['a.b']['c d']", "dotted"),
        ("$json.items[0].tags[1]", "q"),
        ('$json.items[0]["number"]', 7),
        ('$json["\\u0074otal"]', 2),
        ("$json[items]", "$json[items]"),
    ],
)
def test_brackets_reach_any_key(source: str, value: Any) -> None:
    """W18: keys with dots could not be reached."""
    assert of_find(source) == value


@pytest.mark.parametrize(
    "source",
    [
        "$json.nope",
        "$json.items.9",
        "$json.items.00",
        "$json.items.-1",
        "$json.items.99999999999999999999",
        "$json.title.length",
        "$json.title.0",
        "$json.none.x",
        "$json.constructor",
        "$json.toString",
        '$json["nope"]',
    ],
)
def test_what_leads_nowhere_says_so(source: str) -> None:
    """W18: own keys only; a path through a scalar ends."""
    assert of_find(source) == Missing(NOT_FOUND)


@pytest.mark.parametrize(
    "source",
    ["$text.x", "$.x", "$jsonfoo", "$JSON", "$steps.0", "$steps[0]", "$text ", "$json[", "$steps[0].jsonx"],
)
def test_an_unknown_expression_is_literal_and_doubtful(source: str) -> None:
    """W18: typos became literals without a word."""
    assert parse(source) == Expression(source=source, doubtful=True)
    assert of_find(source) == source


@pytest.mark.parametrize("source", ["hello", "two words", "42", " $json.total", ""])
def test_anything_else_is_literal(source: str) -> None:
    assert parse(source) == Expression(source=source)
    assert of_find(source) == source


def test_text_is_all_texts() -> None:
    two = {"content": [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]}
    assert value_of("$text", two) == "one\ntwo"
    assert value_of("$text", {"content": []}) == ""


def test_plain_text_is_not_json() -> None:
    assert value_of("$json.a", text("plain words")) == Missing(NOT_JSON)
    assert value_of("$json", {"content": []}) == Missing(NOT_JSON)


def test_structured_content_is_consulted_where_the_text_does_not_help() -> None:
    """W18: results without text could not be mapped."""
    structured = {"structuredContent": {"n": 1}}
    assert value_of("$json.n", {"content": [], **structured}) == 1
    assert value_of("$json.n", text("found 1", **structured)) == 1
    assert value_of("$json.n", text('{"m": 2}', **structured)) == 1
    assert value_of("$json.m", text('{"m": 2}', **structured)) == 2
    assert json.loads(value_of("$text", {"content": [], **structured})) == {"n": 1}
    assert value_of("$text", text("found 1", **structured)) == "found 1"


def test_earlier_steps_can_be_reached() -> None:
    """W18: only the step before could."""
    steps = (text('{"a": 1}'), text("middle"), text('{"a": 3}'))
    assert value_of("$json.a", *steps) == 3
    assert value_of("$steps[0].json.a", *steps) == 1
    assert value_of("$steps[0].json", *steps) == {"a": 1}
    assert value_of('$steps[0].json["a"]', *steps) == 1
    assert value_of("$steps[1].text", *steps) == "middle"
    assert value_of("$steps[1].json", *steps) == Missing(NOT_JSON)


def test_digits_survive() -> None:
    """W12."""
    found = finished(evaluating(parse("$json.id"), [result(text('{"id": 12345678901234567890, "f": 1.0}'))]))
    assert not isinstance(found, Missing)
    assert bytes(found) == b"12345678901234567890"


@given(st.text(max_size=30) | st.text(alphabet='$json.text[]"0a\\', max_size=30).map("$json".__add__))
def test_no_expression_breaks_the_parser(source: str) -> None:
    expression = parse(source)
    assert expression.source == source
    found = finished(evaluating(expression, [result(text(json.dumps(FIND)))]))
    assert isinstance(found, Missing) or json.loads(bytes(found)) is not ...


PLAIN_KEYS = st.text(alphabet="abc_-", min_size=1, max_size=4)


@given(
    st.recursive(st.integers(), lambda inner: st.dictionaries(st.text(max_size=6), inner, min_size=1)),
    st.data(),
)
def test_brackets_reach_every_place(value: Any, data: st.DataObject) -> None:
    source, at = "$json", value
    while isinstance(at, dict) and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(at)))
        source += f"[{json.dumps(key)}]"
        at = at[key]
    assert value_of(source, text(json.dumps(value))) == at


@pytest.mark.parametrize("source", ["$json[", "$json[x]", "$json.a[0", '$json["\\ud800"]', "$json[0]x"])
def test_brackets_that_cannot_be_read_are_no_path_by_brackets(source: str) -> None:
    found = value_of(source, {"content": [], "structuredContent": {"b": 1}})
    assert isinstance(found, Missing) or found == source


def test_a_value_of_a_large_result_is_found_like_that_of_a_small_one() -> None:
    large = {"pad": "x" * (2 * PIECE), "n": 1}
    for source in ("$json.n", "$json['n']", '$json["n"]'):
        assert value_of(source, text(json.dumps(large))) == 1


def test_the_text_of_a_result_without_any_is_its_structured_content() -> None:
    assert json.loads(value_of("$text", {"content": [], "structuredContent": {"n": 1}})) == {"n": 1}
    assert value_of("$text", {"content": []}) == ""


@pytest.mark.parametrize("source", ["$steps[0].text.x", "$steps[0].json[", "$steps[0].jsonx", "$jsonx"])
def test_what_only_looks_like_an_expression_is_doubtful(source: str) -> None:
    assert parse(source) == Expression(source=source, doubtful=True)
    assert not parse(source[1:]).doubtful
