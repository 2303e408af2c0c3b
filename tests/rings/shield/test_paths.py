"""Paths reach every key, also those with dots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.shield.paths import join, split


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("", []),
        (".", []),
        ("a", ["a"]),
        ("a.b", ["a", "b"]),
        ("a..b.", ["a", "b"]),
        ("items.7.id", ["items", "7", "id"]),
        ("items[7].id", ["items", "7", "id"]),
        ("[0][1]", ["0", "1"]),
        ('labels["a.b"].c', ["labels", "a.b", "c"]),
        ("labels['it\\'s']", ["labels", "it's"]),
        ("labels.a\\.b", ["labels", "a.b"]),
        ('a[""]', ["a", ""]),
        ("a b.ü", ["a b", "ü"]),
        ("a[b", ["a[b"]),
        ("a]b", ["a]b"]),
        ("a[x].b", ["a[x]", "b"]),
        ("end\\", ["end\\"]),
    ],
)
def test_a_path_is_keys(path: str, keys: list[str]) -> None:
    assert split(path) == keys


@given(st.lists(st.text(), max_size=5))
def test_what_is_suggested_is_read_back(keys: list[str]) -> None:
    assert split(join(keys)) == keys


@given(st.text())
def test_any_text_is_a_path(path: str) -> None:
    split(path)
