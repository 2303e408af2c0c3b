"""Joining, splitting and shortening names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.names import (
    DEFAULT_LIMIT,
    join,
    pattern,
    possible_prefixes,
    presentable,
    spellings,
    strip_prefix,
)


@pytest.mark.parametrize(("prefix", "name"), [("gh", "gh__x"), ("", "x"), ("a__b", "a__b__x")])
def test_joining(prefix: str, name: str) -> None:
    assert join(prefix, "x") == name


@pytest.mark.parametrize(
    ("prefix", "name", "rest"),
    [
        ("gh", "gh__x", "x"),
        ("gh", "gh__a__b", "a__b"),
        ("gh", "gh__", None),
        ("gh", "ghx", None),
        ("gh", "other__x", None),
        ("", "__x", None),
        ("a_", "a___x", "x"),
    ],
)
def test_stripping(prefix: str, name: str, rest: str | None) -> None:
    assert strip_prefix(prefix, name) == rest


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("a__b__c", ["a__b", "a"]),
        ("plain", []),
        ("__x", []),
        ("a___b", ["a_", "a"]),
        ("a__", ["a"]),
        ("", []),
    ],
)
def test_every_prefix_is_tried_longest_first(name: str, prefixes: list[str]) -> None:
    assert possible_prefixes(name) == prefixes


def test_a_name_without_end_has_few_prefixes() -> None:
    """Each of them is a copy of its beginning."""
    prefixes = possible_prefixes("_" * 1_000_000)
    assert len(prefixes) <= 500
    assert max(map(len, prefixes)) <= 500
    assert possible_prefixes("a__" + "x" * 1_000_000) == ["a"]


def test_a_name_that_fits_stays() -> None:
    assert presentable("gh__get-Issue_2") == "gh__get-Issue_2"
    assert presentable("x" * DEFAULT_LIMIT) == "x" * DEFAULT_LIMIT


def test_a_limit_of_nothing_leaves_every_name_alone() -> None:
    assert presentable("a.b/" * 100, 0) == "a.b/" * 100


def test_names_that_differ_late_stay_apart() -> None:
    one, other = presentable("x" * 60 + "1"), presentable("x" * 60 + "2")
    assert one != other
    assert len(one) == DEFAULT_LIMIT


@given(st.text(max_size=120), st.integers(10, 128))
def test_any_name_becomes_presentable_and_stays_so(name: str, limit: int) -> None:
    shown = presentable(name, limit)
    assert len(shown) <= limit
    assert re.fullmatch(r"[A-Za-z0-9_-]*", shown)
    assert presentable(name, limit) == shown
    assert presentable(shown, limit) == shown


@given(st.text(min_size=1, alphabet="ab_"), st.text(min_size=1, alphabet="ab_"))
def test_what_was_joined_can_be_stripped(prefix: str, bare: str) -> None:
    assert strip_prefix(prefix, join(prefix, bare)) == bare
    assert prefix in possible_prefixes(join(prefix, bare))


def _means(globs: list[str], server: str, bare: str) -> bool:
    compiled = pattern(globs)
    return compiled is not None and any(map(compiled.fullmatch, spellings(server, bare)))


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("t.x", True),
        ("s__t.x", True),
        ("*", True),
        ("t*", True),
        ("*x", True),
        ("s__*", True),
        ("*__t*x", True),
        ("t", False),
        ("tax", False),
        ("t.?", False),
        ("", False),
        ("o__t.x", False),
    ],
)
def test_a_pattern_names_bare_or_qualified_tools(glob: str, matches: bool) -> None:
    """Only the star is special."""
    assert _means([glob], "s", "t.x") is matches


def test_a_star_stands_for_line_breaks_too() -> None:
    assert _means(["a*b"], "s", "a\nb")
    assert pattern([]) is None


def test_a_tool_is_meant_by_its_bare_its_qualified_and_its_prefixed_name() -> None:
    assert spellings("s", "t") == spellings("s", "t", "") == spellings("s", "t", "s") == ["t", "s__t"]
    assert spellings("s", "t", "p") == ["t", "s__t", "p__t"]
