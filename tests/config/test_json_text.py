"""Changes of single keys in a JSON text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.config.json_text import JsonTextError, delete_value, parse_json, rename_key, set_value, strict

DOCUMENT = """\
{
  // who serves
  "servers": {
    "a": {"command": "x", "args": ["1", "2"]}, // the first
    "b": {
      "url": "http://h//p", /* not a // comment */
      "tools": [
        "t"
      ]
    }
  },

  "odd":    [1,2 , 3],
  "last": 1.50
}
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (["last"], 2, '"last": 1.50', '"last": 2'),
        (["servers", "a", "args"], ["1"], '["1", "2"]', '["1"]'),
        (["servers", "a", "cwd"], "/", '["1", "2"]}', '["1", "2"], "cwd": "/"}'),
        (["servers", "a"], {"command": "y", "args": ["1", "2"]}, '"command": "x"', '"command": "y"'),
        (["servers", "b", "tools"], ["t", "u"], '"t"\n', '"t",\n        "u"\n'),
        (["servers", "b", "disabled"], True, "      ]\n", '      ],\n      "disabled": true\n'),
        (["new"], {"k": []}, '"last": 1.50\n', '"last": 1.50,\n  "new": {\n    "k": []\n  }\n'),
        (["new", "k"], "ü", '"last": 1.50\n', '"last": 1.50,\n  "new": {\n    "k": "ü"\n  }\n'),
        (["servers", "c"], {}, "    }\n  },\n", '    },\n    "c": {}\n  },\n'),
    ],
)
def test_one_value_changes_and_nothing_else(path: list[str], value: Any, old: str, new: str) -> None:
    assert DOCUMENT.count(old) == 1
    assert set_value(DOCUMENT, path, value) == DOCUMENT.replace(old, new)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (["last"], ',\n  "last": 1.50', ""),
        (["odd"], '\n  "odd":    [1,2 , 3],', ""),
        (["servers", "a"], '\n    "a": {"command": "x", "args": ["1", "2"]}, // the first', ""),
        (["servers", "a", "command"], '"command": "x", ', ""),
        (["servers", "a", "args"], ', "args": ["1", "2"]', ""),
        (["servers", "b", "url"], '\n      "url": "http://h//p", /* not a // comment */', ""),
        (["servers", "z"], "", ""),
        (["z", "y"], "", ""),
    ],
)
def test_one_key_goes_and_nothing_else(path: list[str], old: str, new: str) -> None:
    assert delete_value(DOCUMENT, path) == (DOCUMENT.replace(old, new) if old else DOCUMENT)


def test_an_equal_value_changes_nothing() -> None:
    assert set_value(DOCUMENT, ["odd"], [1, 2, 3]) == DOCUMENT
    assert set_value(DOCUMENT, ["servers"], parse_json(DOCUMENT)["servers"]) == DOCUMENT


@pytest.mark.parametrize(
    "text",
    [
        "{}\n",
        '{"a":1}',
        '{ "a": 1 }',
        '{"a": 1}',
        '{"a": {}}\n',
        '{\n\t"a": {\n\t\t"b": 1\n\t}\n}',
        '{\r\n    "a": 1\r\n}\r\n',
        '{\n  "a": 1 // why\n  // more\n}\n',
        '{\n  "a": 1, // trailing comma\n}\n',
        '\ufeff{\n "a": 1\n}',
        '{\n  "a": {\n    "b": 1 }, "z": 2 }',
    ],
)
def test_what_was_set_can_be_taken_out_without_a_trace(text: str) -> None:
    changed = set_value(text, ["new"], {"k": [1, {"l": None}]})
    assert parse_json(changed) == {**parse_json(text), "new": {"k": [1, {"l": None}]}}
    assert delete_value(changed, ["new"]) == text


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", '{\n  "k": {\n    "l": 1\n  }\n}\n'),
        ('{"a":1}', '{"a":1,"k":{"l":1}}'),
        ('{"a": 1}\n', '{"a": 1, "k": {"l": 1}}\n'),
        ('{\r\n    "a": 1\r\n}', '{\r\n    "a": 1,\r\n    "k": {\r\n        "l": 1\r\n    }\r\n}'),
        ('{\n\t"a": 1\n}', '{\n\t"a": 1,\n\t"k": {\n\t\t"l": 1\n\t}\n}'),
        ('{\n  "a": 1,\n}', '{\n  "a": 1,\n  "k": {\n    "l": 1\n  },\n}'),
        ("{\n  // none yet\n}", '{\n  // none yet\n  "k": {\n    "l": 1\n  }\n}'),
        ("// only this", '// only this\n{\n  "k": {\n    "l": 1\n  }\n}\n'),
    ],
)
def test_new_text_looks_like_the_old(text: str, changed: str) -> None:
    assert set_value(text, ["k", "l"], 1) == changed


def test_a_comment_above_a_key_outlives_it() -> None:
    text = '{\n  "a": 1, // one\n  "b": 2 }'
    assert parse_json(delete_value(text, ["b"])) == {"a": 1}
    assert "// one" in delete_value(text, ["b"])
    assert delete_value('{\n  // kept\n  "a": 1\n}', ["a"]) == "{\n  // kept\n}"


def test_of_a_key_that_stands_twice_the_last_one_counts() -> None:
    assert set_value('{"a": 1, "a": 2}', ["a"], 3) == '{"a": 1, "a": 3}'
    assert delete_value('{"a": 1, "b": 0, "a": 2}', ["a"]) == '{"b": 0}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n  "a": nope\n}', "line 2, column 8"),
        ('{"a": "x}', "line 1, column 7"),
        ('{"a": 1} x', "line 1, column 10"),
        ("{/* ", "line 1, column 2"),
        ("[1]", "the document must be an object"),
        ('{"k": []}', '"k" must be an object'),
        ('{"k": ' + "[" * 100_000, "nested deeper than 128 levels"),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, message: str) -> None:
    with pytest.raises(JsonTextError, match=message):
        set_value(text, ["k", "l"], 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"indent": 0}])


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, LAYOUTS, DOCUMENTS, st.booleans())
def test_any_document_becomes_any_other(
    old: dict[str, Any], layout: dict[str, Any], new: dict[str, Any], commented: bool
) -> None:
    text = json.dumps(old, **layout)
    if commented:
        text = text.replace(",\n", ", // x, }\n/* y */").replace("{\n", "{ // {\n")
    for key in [*old, *new]:
        text = set_value(text, [key], new[key]) if key in new else delete_value(text, [key])
    assert parse_json(text) == new
    assert not commented or text.count("// x") <= json.dumps(old, **layout).count(",\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"servers": {"a": {"x": 1}, "b": 2}}', '{"servers": {"new": {"x": 1}, "b": 2}}'),
        (
            '{"servers": {\n  // kept\n  "a" : 1, // too\n}}',
            '{"servers": {\n  // kept\n  "new" : 1, // too\n}}',
        ),
        ('{"servers": {"\\u0061": "a"}}', '{"servers": {"new": "a"}}'),
    ],
)
def test_a_key_gets_another_name_and_every_other_byte_stays(before: str, after: str) -> None:
    assert rename_key(before, ["servers", "a"], "new") == after


def test_a_key_that_is_not_there_gets_no_name() -> None:
    with pytest.raises(JsonTextError, match=r'no "servers\.z"'):
        rename_key('{"servers": {}}', ["servers", "z"], "new")


@pytest.mark.parametrize("levels", [200, 100_000])
def test_a_text_that_is_nested_too_deep_is_refused(levels: int) -> None:
    with pytest.raises(JsonTextError, match="nested deeper than"):
        parse_json("[" * levels + "]" * levels)


def test_comments_and_trailing_commas_become_blanks_of_the_same_length() -> None:
    assert strict('{"a": 1, // why\n}') == '{"a": 1        \n}'
    assert strict('\ufeff{"a": "//"}') == ' {"a": "//"}'


def test_a_key_below_one_that_is_missing_gets_no_name() -> None:
    with pytest.raises(JsonTextError, match=r'there is no "b"'):
        rename_key('{"a": {}}', ["b", "c"], "d")
    with pytest.raises(JsonTextError, match=r'there is no "a\.c"'):
        rename_key('{"a": {}}', ["a", "c"], "d")


@pytest.mark.parametrize(
    ("text", "changed"),
    [('{"a": {}, "b": 1}', '{"a": {"k": 1}, "b": 1}'), ('{"a":{},"b":1}', '{"a":{"k":1},"b":1}')],
)
def test_a_text_of_one_line_stays_one(text: str, changed: str) -> None:
    assert set_value(text, ["a", "k"], 1) == changed
