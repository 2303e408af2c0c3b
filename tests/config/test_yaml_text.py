"""Changes of single keys in a YAML text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.config.yaml_text import YamlTextError, delete_value, parse_yaml, rename_key, set_value

DOCUMENT = """\
# who serves
servers:
  a:   # the first
    command:   'x'
    args: [ "1", '2' ]  # two

    env:
      K: yes   # a string
  # about b
  b:
    url: "http://h#p"
    tools:
    - t
    - u

# the rest
cacheTtlSeconds:   0x10
note: |
  free text
  # no comment

last: ~
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (["cacheTtlSeconds"], 5, "0x10", "5"),
        (["servers", "a", "command"], "y z", "'x'", '"y z"'),
        (["servers", "a", "args"], ["1"], "[ \"1\", '2' ]", '\n      - "1"'),
        (["servers", "a", "env", "K"], "no", "yes ", "no "),
        (["servers", "a", "env", "L"], "true", "# a string\n", '# a string\n      L: "true"\n'),
        (["servers", "a", "cwd"], "/d", "# a string\n", "# a string\n    cwd: /d\n"),
        (["servers", "b", "disabled"], True, "    - u\n", "    - u\n    disabled: true\n"),
        (["servers", "b", "tools"], ["v"], "tools:\n    - t\n    - u\n", "tools:\n      - v\n"),
        (["servers", "c"], {"command": "z"}, "    - u\n", "    - u\n  c:\n    command: z\n"),
        (["note"], "short", "|\n  free text\n  # no comment", "short"),
        (["last"], {"k": []}, "last: ~", "last:\n  k: []"),
        (["last", "k"], 1, "last: ~", "last:\n  k: 1"),
        (["new", "k"], 1.5, "last: ~\n", "last: ~\nnew:\n  k: 1.5\n"),
    ],
)
def test_one_value_changes_and_nothing_else(path: list[str], value: Any, old: str, new: str) -> None:
    assert DOCUMENT.count(old) == 1
    changed = set_value(DOCUMENT, path, value)
    if path == ["servers", "a", "args"]:
        assert changed == DOCUMENT.replace("args: " + old, "args:" + new)
    else:
        assert changed == DOCUMENT.replace(old, new)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (["last"], "last: ~\n", ""),
        (["servers", "b", "tools"], "    tools:\n    - t\n    - u\n", ""),
        (["servers", "b"], '  b:\n    url: "http://h#p"\n    tools:\n    - t\n    - u\n', ""),
        (["servers", "a", "args"], "    args: [ \"1\", '2' ]  # two\n", ""),
        (["servers", "a", "env", "K"], "K: yes   # a string", "{}"),
        (["note"], "note: |\n  free text\n  # no comment\n", ""),
        (["servers", "zz"], "", ""),
        (["zz", "y"], "", ""),
    ],
)
def test_one_key_goes_and_nothing_else(path: list[str], old: str, new: str) -> None:
    assert delete_value(DOCUMENT, path) == (DOCUMENT.replace(old, new) if old else DOCUMENT)


def test_an_equal_value_changes_nothing() -> None:
    document = parse_yaml(DOCUMENT)
    for key, value in document.items():
        assert set_value(DOCUMENT, [key], value) == DOCUMENT
    assert set_value(DOCUMENT, ["servers", "a", "args"], ["1", "2"]) == DOCUMENT


def test_inside_an_entry_only_what_differs_changes() -> None:
    entry = {**parse_yaml(DOCUMENT)["servers"]["a"], "command": "y"}
    assert set_value(DOCUMENT, ["servers", "a"], entry) == DOCUMENT.replace("'x'", "y")


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", "k:\n  l: 1\n"),
        ("# only this\n", "# only this\nk:\n  l: 1\n"),
        ("a: 1", "a: 1\nk:\n  l: 1"),
        ("a: 1\r\n", "a: 1\r\nk:\r\n  l: 1\r\n"),
        ("k: {}\n", "k:\n  l: 1\n"),
        ("k:\n", "k:\n  l: 1\n"),
        ("k: {m: 2}\n", 'k: {m: 2, "l": 1}\n'),
        ('{"a": 1}\n', '{"a": 1, "k": {"l": 1}}\n'),
        ("\ufeffa: 1\n", "\ufeffa: 1\nk:\n  l: 1\n"),
        ("k:\n    m: 2 # why\n", "k:\n    m: 2 # why\n    l: 1\n"),
        ("k:\n  m: |\n    text\n\n# end\n", "k:\n  m: |\n    text\n  l: 1\n\n# end\n"),
    ],
)
def test_new_text_fits_the_old(text: str, changed: str) -> None:
    assert set_value(text, ["k", "l"], 1) == changed


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("a: [", ["a"], "invalid YAML"),
        ("a: 1\na: 2\n", ["a"], "stands twice"),
        ("- 1\n", ["a"], "must be a mapping"),
        ("a: 1\n", ["a", "b"], "must be a mapping"),
        ("x: &x\n  k: 1\na: *x\n", ["a", "k"], "by hand"),
        ("x: &x 1\na: *x\n", ["a"], "by hand"),
    ],
)
def test_what_cannot_be_edited_is_refused(text: str, path: list[str], message: str) -> None:
    with pytest.raises(YamlTextError, match=message):
        set_value(text, path, 5)


@pytest.mark.parametrize("text", ["null\n", "# nothing\n~\n"])
def test_a_document_that_is_null_takes_no_key(text: str) -> None:
    with pytest.raises(YamlTextError, match="not a mapping"):
        set_value(text, ["a"], 1)


@pytest.mark.parametrize("path", [["16"], ["16", "b"]])
def test_a_key_that_is_spelled_in_another_way_is_left_to_people(path: list[str]) -> None:
    """`0x10` is the key "16" in JSON."""
    text = "0x10:\n  b: 1\n  c: 2\n"
    for work in (delete_value, lambda text, path: set_value(text, path, 5)):
        with pytest.raises(YamlTextError, match="by hand"):
            work(text, path)
    with pytest.raises(YamlTextError, match=r"by hand"):
        rename_key(text, path, "new")
    assert delete_value("a:\n  0x10: 1\n  c: 2\n", ["a", "c"]) == "a:\n  0x10: 1\n"


def test_a_member_of_a_flow_mapping_goes_with_its_comma() -> None:
    assert delete_value("a: {b: 1, c: 2} # why\nd: 1\n", ["a", "b"]) == 'a: {"c": 2} # why\nd: 1\n'
    assert delete_value("a: {b: 1}\n", ["a", "b"]) == "a: {}\n"


def test_a_byte_order_mark_stays_in_front() -> None:
    assert delete_value("\ufeffa: 1\nb: 2\n", ["a"]) == "\ufeffb: 2\n"
    assert rename_key("\ufeffa: 1\nb: 2\n", ["a"], "c") == "\ufeffc: 1\nb: 2\n"


def test_a_number_that_yaml_reads_as_another_is_written_all_the_same() -> None:
    """`0.0` is read as `0`."""
    assert set_value("", ["a"], 0.0) == "a: 0.0\n"
    assert set_value("a: 1 # one\n", ["a"], 1.0) == "a: 1 # one\n"
    assert set_value("a: 1\n", ["a"], True) == "a: true\n"


@pytest.mark.parametrize("sign", ["\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff"])
def test_a_sign_that_yaml_does_not_allow_is_escaped(sign: str) -> None:
    text = set_value("# top\n", ["a"], {f"k{sign}": [f"v{sign}w"]})
    assert sign not in text
    assert parse_yaml(text) == {"a": {f"k{sign}": [f"v{sign}w"]}}


def test_an_anchor_elsewhere_is_no_obstacle() -> None:
    text = "x: &x {k: 1}\na:\n  b: *x\n"
    assert set_value(text, ["a", "c"], 1) == text + "  c: 1\n"
    assert delete_value(text + "  c: 1\n", ["a", "c"]) == text


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=6)
    | st.sampled_from(["yes", "1_000", "0o7", "# x", "a: b", "- x", "~", "2020-01-01", "null", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["a", "b", "c d", "1", "yes"]) | st.text(max_size=3)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_any_document_becomes_any_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    text = "# top\n"
    for key, value in old.items():
        text = set_value(text, [key], value) + "# after it\n"
    for key in [*old, *new]:
        text = set_value(text, [key], new[key]) if key in new else delete_value(text, [key])
    assert (parse_yaml(text) or {}) == new
    assert text.startswith("# top\n")


@pytest.mark.parametrize(
    "value", ["@scope/server", "@", "a@b", "`x`", "%x", "!x", "&x", "*x", "|", ">", "?", "-"]
)
def test_a_text_that_begins_with_a_sign_of_yaml_is_quoted(value: str) -> None:
    """Names of npm packages begin with one."""
    assert parse_yaml(set_value("# top\n", ["a"], value)) == {"a": value}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("servers:\n  a: # kept\n    x: 1\n  b: 2\n", "servers:\n  new: # kept\n    x: 1\n  b: 2\n"),
        ("servers: {a: {x: 1}, b: 2}\n", 'servers: {"new": {x: 1}, b: 2}\n'),
        ("servers:\n  'a':\n    x: 1\n", "servers:\n  new:\n    x: 1\n"),
    ],
)
def test_a_key_gets_another_name_and_every_other_byte_stays(before: str, after: str) -> None:
    assert rename_key(before, ["servers", "a"], "new") == after


def test_a_key_does_not_get_the_name_of_another() -> None:
    with pytest.raises(YamlTextError, match="by hand"):
        rename_key("a: 1\nb: 2\n", ["a"], "b")


def test_a_key_that_is_merged_from_elsewhere_gets_no_name() -> None:
    with pytest.raises(YamlTextError):
        rename_key("base: &b\n  a: 1\nservers:\n  <<: *b\n", ["servers", "a"], "new")


def test_a_mapping_without_some_of_its_keys_loses_these_and_keeps_the_comments_of_the_others() -> None:
    before = "a:\n  # about x\n  x: 1  # one\n  y: 2\n  z: 3  # three\nb: 4\n"
    assert set_value(before, ["a"], {"x": 1, "z": 3}) == before.replace("  y: 2\n", "")
