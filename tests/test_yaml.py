"""YAML 1.2 core: what PyYAML and older rules read otherwise, and what may not become of a file."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.yaml import LEVELS, Stopped, YamlProblem, scalar, to_json

LIMIT = 1_000_000


def read(text: str) -> Any:
    return json.loads(to_json(text, LIMIT))


def problem(text: str, limit: int = LIMIT) -> str:
    with pytest.raises(YamlProblem) as caught:
        to_json(text, limit)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("tRue", "tRue"),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nUll", "nUll"),
        ("", None),
        ("5", 5),
        ("+5", 5),
        ("-0", 0),
        ("017", 17),
        ("0o17", 15),
        ("0O17", "0O17"),
        ("0x1F", 31),
        ("-0x1F", "-0x1F"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("1,000", "1,000"),
        ("190:20:30", "190:20:30"),
        ("1e3", 1000),
        ("1.5e-3", 0.0015),
        (".5", 0.5),
        ("5.", 5),
        ("1.0", 1),
        (".inf", None),
        ("-.INF", None),
        ("+.Inf", None),
        (".nan", None),
        (".NaN", None),
        ("-.nan", "-.nan"),
        ("inf", "inf"),
        ("1e999", None),
        ("12345678901234567890", 12345678901234567890),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("2001-12-14", "2001-12-14"),
        ("<<", "<<"),
        ("=", "="),
        ("'5'", "5"),
        ('"true"', "true"),
        ('"\\u00e9\\n"', "é\n"),
        ("!foo 5", "5"),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ('!!int "5"', 5),
        ("!!int abc", "abc"),
        ("!!float 5", 5),
        ("!!float .inf", None),
        ('!!bool "true"', True),
        ("!!bool maybe", "maybe"),
        ('!!null ""', None),
        ("!!null x", "x"),
        ("!!binary aGk=", "aGk="),
        ("!!timestamp 2001-12-14", "2001-12-14"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)
def test_scalars_by_the_core_schema(text: str, value: Any) -> None:
    found = read(f"- {text}\n")[0]
    assert found == value
    assert type(found) is type(value) or isinstance(value, int | float)


def test_digits_survive() -> None:
    assert to_json("[12345678901234567890123, 1.10, 0.30000000000000000004]", LIMIT) == (
        b"[12345678901234567890123,1.10,0.30000000000000000004]"
    )


def test_aliases_are_written_out_and_merge_keys_are_keys() -> None:
    assert read("a: &x {b: [1]}\nc: *x\n<<: *x\nd: &y 5\ne: [*y, *x]\n") == {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "<<": {"b": [1]},
        "d": 5,
        "e": [5, {"b": [1]}],
    }


def test_an_anchor_may_be_set_again() -> None:
    assert read("[&a 1, *a, &a 2, *a]") == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("1: x", ["1"]),
        ("1.0: x", ["1"]),
        ("true: x\nnull: y", ["true", ""]),
        ("? [a, 1]\n: x", ['["a",1]']),
        ("? {a: 1}\n: x", ['{"a":1}']),
        ("? &k [a]\n: *k", ['["a"]']),
        ("- &k word\n- *k : x", None),
        ("!!set {a, b}", ["a", "b"]),
        ('"a b": x', ["a b"]),
    ],
)
def test_keys_become_strings(text: str, keys: list[str] | None) -> None:
    found = read(text)
    assert list(found[1] if keys is None else found) == (keys or ["word"])


@pytest.mark.parametrize("text", ["", "---\n", "# only a comment\n", "\ufeff", "---\n...\n"])
def test_an_empty_document_is_null(text: str) -> None:
    assert read(text) is None


def test_a_byte_order_mark_and_directives_change_nothing() -> None:
    assert read("\ufeffa: yes") == {"a": "yes"}
    assert read("%YAML 1.2\n---\na: yes\n...\n") == {"a": "yes"}
    assert read("%YAML 1.1\n---\na: yes\n") == {"a": "yes"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", 'the key "a" stands twice'),
        ("1: x\n'1': y", 'the key "1" stands twice'),
        ("a\n---\nb", "more than one document"),
        ("&a [*a]", "inside its own anchor"),
        ("*nothing", "has none"),
        ("{a: [", "at line 1, column 6"),
        ("\t- a", "line 1"),
        ("!e!x 1", "tag handle"),
        ("a: b: c", "line 1"),
        ("a: \x07", "special characters"),
        ("'open", "end of stream"),
        ("[" * 5000, "deeper than"),
        ("- " * 5000 + "a", "deeper than"),
    ],
)
def test_what_cannot_be_read_is_explained(text: str, said: str) -> None:
    assert said in problem(text)


def test_levels_up_to_the_limit() -> None:
    assert read("[" * LEVELS + "]" * LEVELS) is not None


def test_aliases_cannot_fill_the_memory() -> None:
    """Nine lines that would become a gigabyte."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too large" in problem("\n".join(lines))
    assert "too large" in problem("[aaaa]", limit=5)


def test_it_stops_when_nobody_waits() -> None:
    seen: list[int] = []

    def stopped() -> bool:
        seen.append(1)
        return len(seen) > 10

    with pytest.raises(Stopped):
        to_json("- a\n" * 1000, LIMIT, stopped)
    assert len(seen) == 11


def test_the_library_is_loaded_when_a_file_is_read() -> None:
    """Not when callmux starts."""
    code = (
        "import sys; from callmux import yaml; from callmux.rings.references import resolving; "
        "assert not any(m.startswith('ruamel') for m in sys.modules); "
        "assert yaml.to_json('a: 1', 99) == b'{\"a\":1}'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@given(st.text(alphabet="0123456789+-.eExob_ :,abinfaNT~'\"", max_size=12), st.sampled_from([None, "!x"]))
def test_any_scalar_becomes_json(text: str, tag: str | None) -> None:
    value = json.loads(scalar(text, tag, plain=True))
    assert isinstance(value, str | int | float | bool | None)
    if isinstance(value, str):
        assert value == text
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert value == (int(text, 0) if text[:2] in ("0o", "0x") else float(text))


@given(st.text(alphabet="ab1:-[]{},&*!|>'\"#%?@ \n\t\\~é\x07", max_size=60))
def test_any_text_becomes_json_or_a_reason(text: str) -> None:
    with contextlib.suppress(YamlProblem):
        json.loads(to_json(text, LIMIT))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    """YAML 1.2 contains JSON."""
    assert read(json.dumps(value)) == value


def test_a_character_that_cannot_be_is_no_yaml() -> None:
    assert problem('"\\UFFFFFFFF"') == "it is malformed"


def test_half_a_character_that_json_cannot_carry_is_a_question_mark() -> None:
    assert scalar("a\udc80", None, plain=False) == b'"a?"'
