"""Arguments brought into shape (4.3 and 4.4)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from callmux.metatools.advice import about_schema
from callmux.rings.coercion import Shaper, _must_be_walked, compile_shaping, convert
from callmux.rings.schemas import compile_schema, fits
from tests import dialect
from tests.dialect import keeps_to
from tests.schemas import SCHEMAS
from tests.support import steps

INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
STRING = {"type": "string"}
INTEGERS = {"type": "array", "items": INTEGER}


def shaped(schema: dict[str, Any], arguments: Any) -> Any:
    """The arguments after shaping; the very same object if they did not change."""
    raw = json.dumps(arguments, separators=(",", ":")).encode()
    shaper = compile_shaping(schema)
    after = raw if shaper is None else shaper(raw)
    value = json.loads(after)
    assert (after is raw) == (value == arguments and type(value) is type(arguments)) or value != arguments
    return value


def one(schema: Any, value: Any) -> Any:
    """A single argument after shaping."""
    return shaped({"type": "object", "properties": {"x": schema}}, {"x": value})["x"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (BOOLEAN, "true", True),
        (BOOLEAN, "false", False),
        (BOOLEAN, "True", "True"),
        (BOOLEAN, " true", " true"),
        (BOOLEAN, "yes", "yes"),
        (NUMBER, "4.5", 4.5),
        (NUMBER, " 5 ", 5),
        (NUMBER, "1e3", 1000),
        (NUMBER, "0x10", 16),
        (NUMBER, "-0", 0),
        (NUMBER, "+5", 5),
        (NUMBER, ".5", 0.5),
        (NUMBER, "5.", 5),
        (NUMBER, " ", " "),
        (NUMBER, "", ""),
        (NUMBER, "Infinity", "Infinity"),
        (NUMBER, "1e999", "1e999"),
        (NUMBER, "1_000", "1_000"),
        (NUMBER, "٣", "٣"),
        (NUMBER, "5px", "5px"),
        (INTEGER, "5", 5),
        (INTEGER, "-12", -12),
        (INTEGER, "1.0", 1),
        (INTEGER, "1e3", 1000),
        (INTEGER, "007", 7),
        (INTEGER, "1.5", "1.5"),
        ({"type": ["integer", "null"]}, "2", 2),
        ({"type": ["integer", "null"]}, "null", "null"),
        (STRING, "5", "5"),
        (STRING, "true", "true"),
        ({}, "5", "5"),
        (True, "5", "5"),
        ({"description": "anything"}, "[1]", "[1]"),
    ],
)
def test_text_becomes_what_the_schema_wants(schema: Any, text: str, value: Any) -> None:
    found = one(schema, text)
    assert found == value
    assert type(found) is not float or isinstance(value, float)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "number"]},
        {"type": ["string", "boolean", "array", "object"]},
        {"anyOf": [STRING, NUMBER]},
        {"anyOf": [NUMBER, {"anyOf": [BOOLEAN, STRING]}]},
        {"oneOf": [INTEGERS, STRING]},
        {"anyOf": [NUMBER, {}]},
        {"anyOf": [NUMBER, {"$ref": "https://elsewhere.example/schema"}]},
        {"anyOf": [INTEGER, {"enum": ["auto", "5"]}]},
        {"allOf": [{"type": ["string", "number"]}, {"description": "x"}]},
    ],
)
@pytest.mark.parametrize("text", ["007", "5", "0x10", "true", "[1, 2]", "{}"])
def test_a_string_that_is_allowed_stays(schema: Any, text: str) -> None:
    """W13: `"007"` became 7 where both were allowed."""
    assert one(schema, text) == text


def test_a_number_that_is_only_allowed_as_a_number_is_read() -> None:
    assert one({"anyOf": [NUMBER, {"enum": [1, 2]}]}, "2") == 2
    assert one({"type": "number", "anyOf": [{}, STRING]}, "2") == 2
    assert one({"allOf": [{"type": ["string", "number"]}, NUMBER]}, "2") == 2


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (INTEGERS, "[1,2]", [1, 2]),
        (INTEGERS, ' ["1", "x"]\n', [1, "x"]),
        (INTEGERS, '{"a": 1}', '{"a": 1}'),
        (INTEGERS, "[1", "[1"),
        (INTEGERS, "[NaN]", "[NaN]"),
        (INTEGERS, "1", "1"),
        ({"type": "object"}, '{"k": "1"}', {"k": "1"}),
        ({"type": "object", "properties": {"k": INTEGER}}, '{"k": "1"}', {"k": 1}),
        ({"type": "object"}, "not json {", "not json {"),
        ({"anyOf": [NUMBER, INTEGERS]}, "[113, 114]", [113, 114]),
        ({"anyOf": [NUMBER, INTEGERS]}, "114", 114),
        ({"anyOf": [INTEGERS, {"type": "null"}]}, '["5"]', [5]),
        ({"anyOf": [STRING, {"type": "array"}]}, "[1, 2]", "[1, 2]"),
    ],
)
def test_structures_that_came_as_text_are_read(schema: Any, text: str, value: Any) -> None:
    assert one(schema, text) == value


def test_it_reaches_everywhere() -> None:
    schema = {
        "properties": {"o": {"type": "object", "properties": {"l": {"type": "array", "items": BOOLEAN}}}},
        "additionalProperties": {"type": "object", "additionalProperties": INTEGER},
        "allOf": [{"properties": {"a": INTEGER}}, {"properties": {"b": INTEGER}}],
    }
    before = {"o": {"l": ["true", "no", 1]}, "more": {"k": "5"}, "a": "1", "b": "2"}
    after = {"o": {"l": [True, "no", 1]}, "more": {"k": 5}, "a": 1, "b": 2}
    assert shaped(schema, before | {"c": {"x": "1"}}) == after | {"c": {"x": 1}}


def test_undeclared_members_stay() -> None:
    assert shaped({"properties": {"n": INTEGER}}, {"m": "5", "n": "5"}) == {"m": "5", "n": 5}


def test_local_references_are_followed() -> None:
    """Deliberate: models of Pydantic servers stand behind them, and clients send those as text."""
    schema = {
        "$defs": {
            "Node": {"type": "object", "properties": {"id": INTEGER, "next": {"$ref": "#/$defs/Node"}}}
        },
        "properties": {"n": {"$ref": "#/$defs/Node"}},
    }
    assert shaped(schema, {"n": '{"id": "1", "next": {"id": "2"}}'}) == {"n": {"id": 1, "next": {"id": 2}}}


def test_a_union_is_judged_by_the_branch_that_fits() -> None:
    """W13, one level down: the branch that owns the value keeps its string."""

    def branch(kind: str, schema: Any) -> dict[str, Any]:
        return {"properties": {"kind": {"const": kind}, "v": schema}, "required": ["kind", "v"]}

    union = {"anyOf": [branch("a", INTEGER), branch("b", STRING)]}
    assert one(union, {"kind": "b", "v": "5"}) == {"kind": "b", "v": "5"}
    assert one(union, {"kind": "a", "v": "5"}) == {"kind": "a", "v": 5}


def test_a_union_nobody_fits_takes_the_first_that_changes() -> None:
    union = {
        "anyOf": [{"type": "object", "properties": {"a": INTEGER}, "required": ["z"]}, {"type": "array"}]
    }
    assert one(union, {"a": "5"}) == {"a": 5}


@pytest.mark.parametrize(
    ("schema", "arguments", "after"),
    [
        ({"n": INTEGER}, {"method": "x", "params": {"n": "1"}}, {"n": 1}),
        ({"n": INTEGER}, {"params": {"n": 1}}, {"n": 1}),
        ({"n": INTEGER}, {"params": {}}, {}),
        ({}, {"params": {"n": 1}}, {"n": 1}),
        ({"n": INTEGER}, {"params": [1]}, {"params": [1]}),
        ({"n": INTEGER}, {"params": {"n": 1}, "id": 1}, {"params": {"n": 1}, "id": 1}),
        ({"n": INTEGER}, {"method": "x"}, {"method": "x"}),
        ({"params": {"type": "object"}}, {"params": {"q": 1}}, {"params": {"q": 1}}),
        ({"issues": INTEGERS}, {"issue": 481}, {"issues": [481]}),
        ({"issues": INTEGERS}, {"issue_number": "481", "x": 1}, {"issues": [481], "x": 1}),
        ({"issues": INTEGERS}, {"number": [1, 2]}, {"issues": [1, 2]}),
        ({"issues": INTEGERS}, {"issues": [9], "issue": 1}, {"issues": [9], "issue": 1}),
        ({"issues": INTEGERS}, {"number": 3, "issue": 1}, {"number": 3, "issues": [1]}),
        ({"issues": INTEGERS, "issue": INTEGER}, {"issue": 1, "number": 2}, {"issue": 1, "issues": [2]}),
        ({"issues": STRING}, {"issue": 1}, {"issue": 1}),
        ({"issues": INTEGERS}, {"params": {"issue": "1"}}, {"issues": [1]}),
    ],
)
def test_envelopes_and_aliases_are_repaired(schema: Any, arguments: Any, after: Any) -> None:
    assert shaped({"type": "object", "properties": schema}, arguments) == after


@pytest.mark.parametrize("rest", [True, {"type": "string"}])
def test_a_tool_that_takes_any_member_keeps_params(rest: Any) -> None:
    assert shaped({"additionalProperties": rest}, {"params": {"n": 1}}) == {"params": {"n": 1}}


def test_tools_that_can_never_change_cost_nothing() -> None:
    assert compile_shaping({"properties": {"params": STRING, "s": STRING}}) is None


def test_untouched_values_keep_their_digits() -> None:
    """W12."""
    shaper = compile_shaping({"properties": {"n": INTEGER, "x": NUMBER}})
    assert shaper is not None
    raw = b'{"big":12345678901234567890123,"f":1.0,"x":1.50,"n":"98765432109876543210"}'
    assert shaper(raw) == b'{"big":12345678901234567890123,"f":1.0,"x":1.50,"n":98765432109876543210}'
    unchanged = b'{"n": 5,"x" :1.50, "big":12345678901234567890123}'
    assert shaper(unchanged) is unchanged


@pytest.mark.parametrize("raw", [b"[1]", b"", b"{", b'"x"', b"null", b'{"params":{"a"}}', b'{"n":"\xff"}'])
def test_what_is_no_object_passes(raw: bytes) -> None:
    shaper = compile_shaping({"properties": {"n": INTEGER}})
    assert shaper is not None
    assert shaper(raw) is raw


KEYS = st.sampled_from("abcx")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=8) | st.sampled_from(["5", "true", "[1]", '{"a": "1"}', "007", "1.5"])
JSON_VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "array", "object", "null"])


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    members = st.dictionaries(KEYS, inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={"type": TYPES, "properties": members, "items": inner, "additionalProperties": inner},
    )


PLAIN_SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {}, optional={"type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True)}
    ),
    _objects,
    max_leaves=8,
)
ANY_SCHEMAS = st.recursive(
    PLAIN_SCHEMAS | st.booleans() | st.just({"$ref": "#"}) | st.just({"enum": [1, "5"]}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "anyOf": st.lists(inner, max_size=3),
            "oneOf": st.lists(inner, max_size=2),
            "allOf": st.lists(inner, max_size=2),
            "properties": st.dictionaries(KEYS, inner, max_size=3),
            "$ref": st.sampled_from(["#", "#/properties/a", "#/anyOf/0", "#/nowhere", "elsewhere"]),
            "required": st.lists(st.sampled_from("abcx"), max_size=2),
        },
    ),
    max_leaves=8,
)
ARGUMENTS = st.dictionaries(KEYS, JSON_VALUES, max_size=4)


def shape_bytes(shaper: Shaper | None, raw: bytes) -> bytes:
    return raw if shaper is None else shaper(raw)


def only_strings_changed(before: Any, after: Any) -> bool:
    """Every place that differs held a string."""
    if isinstance(before, str):
        return True
    if isinstance(before, dict):
        return (
            isinstance(after, dict)
            and list(before) == list(after)
            and all(only_strings_changed(before[key], after[key]) for key in before)
        )
    if isinstance(before, list):
        return (
            isinstance(after, list)
            and len(before) == len(after)
            and all(map(only_strings_changed, before, after))
        )
    return type(before) is type(after) and before == after


@given(st.fixed_dictionaries({"properties": st.dictionaries(KEYS, ANY_SCHEMAS)}), ARGUMENTS)
def test_only_strings_ever_change(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    raw = msgspec.json.encode(arguments)
    after = shape_bytes(compile_shaping(schema), raw)
    assert only_strings_changed(json.loads(raw), json.loads(after))
    assert after is raw or json.loads(after) != json.loads(raw)


@given(st.fixed_dictionaries({"properties": st.dictionaries(KEYS, PLAIN_SCHEMAS)}), ARGUMENTS)
def test_shaping_twice_is_shaping_once(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Without unions: there, what a first pass mended may fit another branch."""
    shaper = compile_shaping(schema)
    once = shape_bytes(shaper, msgspec.json.encode(arguments))
    assert shape_bytes(shaper, once) is once


@given(
    ANY_SCHEMAS.filter(lambda s: isinstance(s, dict)) | st.dictionaries(st.text(max_size=5), JSON_VALUES),
    ARGUMENTS,
)
def test_no_schema_breaks_it(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    json.loads(shape_bytes(compile_shaping(schema), msgspec.json.encode(arguments)))


@given(st.text(max_size=20), st.frozensets(TYPES))
def test_conversion_gives_valid_json(text: str, kinds: frozenset[str]) -> None:
    value = convert(text, kinds)
    assert value is None or json.loads(bytes(value)) is not ...


def doubling(levels: int, keyword: str) -> dict[str, Any]:
    """A schema of a few lines in which each level leads to the next one twice."""
    defs: dict[str, Any] = {
        f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(levels)
    }
    defs[f"d{levels}"] = {"type": "object", "properties": {"x": {"type": "integer"}}}
    return {"type": "object", "properties": {"p": {"$ref": "#/$defs/d0"}}, "$defs": defs}


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
@pytest.mark.parametrize("given", ['{"p":{"x":"no"}}', '{"p":"{}"}', '{"p":{"x":{}}}', '{"p":[1]}'])
def test_a_schema_that_multiplies_itself_takes_a_bounded_number_of_steps(keyword: str, given: str) -> None:
    """Then the arguments go out as they came, and nobody waits for them."""

    def taken(levels: int) -> int:
        schema = doubling(levels, keyword)
        shaper = compile_shaping(schema)
        arguments = given.encode()

        def work() -> None:
            if shaper is not None:
                shaper(arguments)
            about_schema(Raw(arguments), compile_schema(schema))
            fits(Raw(arguments), compile_schema(schema))

        return steps(work)

    thirty = taken(30)
    assert thirty < 1_500_000
    assert taken(60) <= 3 * thirty


def test_a_large_value_may_take_as_many_steps_as_it_has_bytes() -> None:
    numbers = {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}
    shaper = compile_shaping({"type": "object", "properties": {"a": numbers}})
    assert shaper is not None
    values = ["1"] * 20_000
    after = json.loads(shaper(json.dumps({"a": values}).encode()))
    assert after == {"a": [1] * 20_000}


SETTLING = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(
            st.sampled_from(["id", "flag", "text", "params", 'quo"ted', "n\\n", "é"]),
            st.sampled_from(
                [
                    {"type": "integer"},
                    {"type": ["number", "null"]},
                    {"type": "boolean"},
                    {"type": "string"},
                    {"type": "array"},
                    {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
                    {"enum": [1, 2]},
                    {},
                ]
            ),
            max_size=4,
        ),
    },
    optional={
        "additionalProperties": st.sampled_from([False, True, {"type": "integer"}, {"type": "string"}])
    },
)
MEMBER = st.one_of(
    st.integers(),
    st.integers(min_value=2**63, max_value=10**40),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["5", "true", "text", "[1]", '{"a": 1}', "1e400"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "flag"]), st.sampled_from(["5", 5, "true"]), max_size=2),
)


@given(
    SETTLING,
    st.lists(
        st.tuples(
            st.sampled_from(["id", "flag", "text", "params", "method", 'quo"ted', "n\\n", "é"]), MEMBER
        ),
        max_size=4,
    ),
)
def test_what_is_settled_at_one_look_is_what_a_walk_would_leave(
    schema: dict[str, Any], members: list[tuple[str, Any]]
) -> None:
    """Names that stand twice included."""
    shaper = compile_shaping(schema)
    if shaper is None:
        return
    walking = compile_shaping(schema)
    assert walking is not None
    walking.fits = _must_be_walked
    raw = b"{" + b",".join(json.dumps(k).encode() + b":" + json.dumps(v).encode() for k, v in members) + b"}"
    shaped, walked = shaper(raw), walking(raw)
    assert shaped == walked
    assert (shaped is raw) == (walked is raw)


def test_most_arguments_are_settled_at_one_look() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    shaper = compile_shaping(schema)
    assert shaper is not None
    shaper.fits(b'{"id":5,"name":"6"}')
    for walked in (b'{"id":"5"}', b'{"id":[5]}', b'{"params":{"id":5}}', b"[]"):
        with pytest.raises(msgspec.ValidationError):
            shaper.fits(walked)


def test_arguments_without_the_number_of_an_issue_stay() -> None:
    issues = {"type": "object", "properties": {"issues": INTEGERS, "number": INTEGER}}
    assert shaped(issues, {"number": 5, "state": "open"}) == {"number": 5, "state": "open"}
    assert shaped(issues, {"state": "open"}) == {"state": "open"}


@given(SCHEMAS, st.dictionaries(st.sampled_from(["a", "b", "params"]), SCHEMAS, max_size=3))
def test_no_schema_stops_a_call(schema: Any, arguments: dict[str, Any]) -> None:
    shaper = compile_shaping({"type": "object", "properties": {"a": schema}, "allOf": [schema]})
    sent = json.dumps(arguments).encode()
    assert isinstance(json.loads(sent if shaper is None else shaper(sent)), dict)


@given(dialect.SCHEMAS, st.dictionaries(dialect.NAMES, dialect.VALUES, max_size=3))
@settings(max_examples=60)
def test_what_keeps_to_its_schema_stays_whatever_keywords_that_has(
    schema: Any, arguments: dict[str, Any]
) -> None:
    whole = schema if isinstance(schema, dict) else {"properties": {"a": schema, "b": schema}}
    raw = json.dumps(arguments).encode()
    if keeps_to(arguments, whole):
        assert shape_bytes(compile_shaping(whole), raw) is raw
