"""What is a reference, what only looks like one, and what stands around it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.references.recognition import (
    DEEPEST,
    FileReference,
    Malformed,
    may_refer,
    recognise,
)


def seen(arguments: Any, *opaque: str) -> Any:
    """The arguments with each file reference shown as `<form path maxBytes>`; None where nothing changes."""
    raw = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
    pieces = recognise(raw, frozenset(opaque))
    if pieces is None:
        return None
    shown = [
        p if isinstance(p, bytes) else json.dumps(f"<{p.form} {p.path} {p.max_bytes}>").encode()
        for p in pieces
    ]
    return json.loads(b"".join(shown))


def places(arguments: Any) -> list[str]:
    pieces = recognise(json.dumps(arguments).encode())
    return [p.where for p in pieces or () if isinstance(p, FileReference)]


def problem(arguments: Any, *opaque: str) -> str:
    with pytest.raises(Malformed) as caught:
        recognise(json.dumps(arguments).encode(), frozenset(opaque))
    return str(caught.value)


@pytest.mark.parametrize("form", ["$file", "$jsonFile", "$yamlFile"])
def test_a_file_reference_is_found_anywhere(form: str) -> None:
    reference = {form: " a b ", "maxBytes": 5}
    assert seen({"a": [1, {"b": reference}], "c": reference}) == {
        "a": [1, {"b": f"<{form}  a b  5>"}],
        "c": f"<{form}  a b  5>",
    }
    assert seen(reference) == f"<{form}  a b  5>"


def test_places_are_named_as_paths() -> None:
    reference = {"$file": "x"}
    assert places({"a": [0, {"b": reference}], "x y": reference, "c.d": [[reference]]}) == [
        "arguments.a[1].b",
        'arguments["x y"]',
        'arguments["c.d"][0][0]',
    ]
    assert places({"$file": "x"}) == ["arguments"]


def test_text_references_need_no_file() -> None:
    assert seen(
        {
            "a": {"$text": "as is"},
            "b": {"$text": {"lines": ["x", "", "y"]}},
            "c": {"$text": {"lines": ["p", "q"], "join": ""}},
            "d": {"$text": {"lines": []}},
        }
    ) == {"a": "as is", "b": "x\n\ny", "c": "pq", "d": ""}


def test_what_is_around_keeps_its_digits_and_order() -> None:
    pieces = recognise(b'{"n":12345678901234567890.10,"t":{"$text":"x"},"e":1e400,"s":"\\u00e9"}')
    assert pieces is not None
    assert b"".join(p for p in pieces if isinstance(p, bytes)) == (
        b'{"n":12345678901234567890.10,"t":"x","e":1e400,"s":"\\u00e9"}'
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"$file":"x"}',
        ' \n{"$file" : "x"}\t',
        '{"\\u0024file":"x"}',
        '{"$file":"x","maxBytes":1000000}',
    ],
)
def test_a_string_that_is_one_reference_counts(text: str) -> None:
    """Clients that stringify objects would lose them otherwise."""
    assert seen({"a": text}) == {"a": "<$file x 1000000>"}


@pytest.mark.parametrize(
    "text",
    [
        'see {"$file":"x"}',
        '{"$file":"x","z":1}',
        '[{"$file":"x"}]',
        '{"a":{"$file":"x"}}',
        '{"$text":"x","maxBytes":1}',
        '{"$file":"x","$jsonFile":"y"}',
        '{"$file":"x"',
        '{"$verbatim":{"$file":"x"}}',
        "$file",
        "",
    ],
)
def test_other_strings_are_text(text: str) -> None:
    assert seen({"a": text}) is None


@pytest.mark.parametrize(
    "arguments",
    [
        rb'{"a":{"\u0024file":"x"}}',
        rb'{"a":{"$\u0066ile":"x"}}',
        rb'{"a":"{\"\\u0024file\":\"x\"}"}',
        rb'{"a":"\u007b\"$file\":\"x\"}"}',
        rb'{"a":"{\u0022\u0024\u0066ile\":\"x\"}"}',
        b'{ "a" :\n { "$file" : "x" } }',
    ],
)
def test_escapes_hide_no_reference(arguments: bytes) -> None:
    """The quick look finds whatever the slow one would."""
    assert seen(arguments) == {"a": "<$file x 1000000>"}


def test_the_first_key_in_the_fixed_order_decides() -> None:
    assert problem({"a": {"$text": "x", "$yamlFile": "y", "$file": "z"}}).startswith(
        'arguments.a: unexpected keys beside "$file": "$text", "$yamlFile"'
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"$file": "t", "x": 1}, "unexpected keys"),
        ({"$text": "t", "maxBytes": 1}, "unexpected keys"),
        ({"$file": 5}, "must be a non-empty string"),
        ({"$file": ""}, "must be a non-empty string"),
        ({"$jsonFile": " "}, "must be a non-empty string"),
        ({"$file": None}, "must be a non-empty string"),
        ({"$file": "a\0b"}, "NUL"),
        ({"$file": "t", "maxBytes": 0}, "maxBytes must be"),
        ({"$file": "t", "maxBytes": 10_000_001}, "maxBytes must be"),
        ({"$file": "t", "maxBytes": 1.5}, "maxBytes must be"),
        ({"$file": "t", "maxBytes": "5"}, "maxBytes must be"),
        ({"$file": "t", "maxBytes": None}, "maxBytes must be"),
        ({"$file": "t", "maxBytes": True}, "maxBytes must be"),
        ({"$text": 5}, "must be a string, or"),
        ({"$text": {"lines": "x"}}, "lines must be a list"),
        ({"$text": {}}, "lines must be a list"),
        ({"$text": {"lines": [1]}}, "must contain only strings"),
        ({"$text": {"lines": [], "join": 3}}, "join must be a string"),
        ({"$text": {"$search": "mongo"}}, "$verbatim"),
        ('{"$file": 5}', "must be a non-empty string"),
    ],
)
def test_a_reference_that_does_not_work_is_named(value: Any, said: str) -> None:
    message = problem({"a": [{"b": value}]})
    assert message.startswith("arguments.a[0].b")
    assert said in message


def test_a_limit_is_a_whole_number_however_it_is_written() -> None:
    assert seen(b'{"a":{"$file":"t","maxBytes":5.0}}') == {"a": "<$file t 5>"}
    assert seen(b'{"a":{"$file":"t","maxBytes":1e7}}') == {"a": "<$file t 10000000>"}


def test_at_most_32_files() -> None:
    """Copies count; text does not."""
    assert len(places({"a": [{"$file": "x"}] * 32, "t": [{"$text": "x"}] * 50})) == 32
    message = problem({"a": [{"$file": "x"}] * 33})
    assert message == "arguments.a[32]: a call may have at most 32 file references"


def test_what_came_from_a_server_is_data() -> None:
    """Its output must not make callmux read a file."""
    arguments = {"a": {"$file": "x"}, "b": {"$file": "y"}, "c": '{"$file":"z"}'}
    assert seen(arguments, "b", "c") == {"a": "<$file x 1000000>", "b": {"$file": "y"}, "c": '{"$file":"z"}'}
    assert seen({"$file": "x"}, "$file") is None
    assert seen({"$file": "x", "maxBytes": 4}, "$file", "maxBytes") is None
    assert seen({"$verbatim": {"a": 1}, "b": 1}, "b") is None


def test_mapped_values_cannot_join_a_reference() -> None:
    for mapped in ("b", "maxBytes"):
        assert "unexpected keys" in problem({"$file": "x", mapped: 5}, mapped)


def test_an_escape_sends_a_reference_as_it_stands() -> None:
    """W26: there was no way to send such an object."""
    inner = {"$file": "x", "y": [{"$text": 5}], "n": {"$verbatim": 1}}
    assert seen({"a": {"$verbatim": inner}, "b": [{"$verbatim": '{"$file":"x"}'}]}) == {
        "a": inner,
        "b": ['{"$file":"x"}'],
    }
    assert seen({"$verbatim": {"$text": "x"}}) == {"$text": "x"}
    assert seen({"a": {"$verbatim": 1, "b": 2}}) is None


def test_only_so_many_levels_are_searched() -> None:
    """Each level costs a pass over what is below it."""
    value: Any = {"$text": "x"}
    for _ in range(DEEPEST - 1):
        value = [value]
    assert seen({"a": value}) is not None
    assert seen({"a": [[value]]}) is None


@pytest.mark.parametrize("arguments", [b'{"a":1}', b'{"price":"$5"}', b"{}", b'{"a":"\\n\\u2028"}'])
def test_most_calls_are_waved_through(arguments: bytes) -> None:
    assert not may_refer(arguments)
    assert recognise(arguments) is None


def test_arguments_that_are_no_object_pass() -> None:
    """They are refused elsewhere, where something can be said about them."""
    assert recognise(b'"$file"') is None
    assert recognise(b'{"$file"') is None


KEYS = st.sampled_from(["a", "$file", "$text", "$jsonFile", "maxBytes", "$verbatim", "lines", "é", "x y"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just('{"$file":"p"}'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def expected(value: Any) -> Any:
    """The same in a few lines over decoded values."""
    if isinstance(value, dict):
        for form in ("$file", "$jsonFile", "$text"):
            if form in value:
                if form != "$text" and isinstance(value[form], str):
                    return f"<{form} {value[form]} {value.get('maxBytes', 1000000)}>"
                text = value["$text"]
                return text if isinstance(text, str) else text.get("join", "\n").join(text["lines"])
        if value.keys() == {"$verbatim"}:
            return value["$verbatim"]
        return {key: expected(member) for key, member in value.items()}
    if isinstance(value, list):
        return [expected(item) for item in value]
    return "<$file p 1000000>" if value == '{"$file":"p"}' else value


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.booleans())
def test_any_arguments_give_a_template_or_a_reason(arguments: dict[str, Any], escaped: bool) -> None:
    """And the template agrees with a plain reading of the decoded value."""
    raw = json.dumps(arguments, ensure_ascii=escaped).encode()
    try:
        found = seen(raw)
    except Malformed:
        return
    wanted = expected(arguments)
    assert found == (None if wanted == arguments and found is None else wanted)
