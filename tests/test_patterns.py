"""Patterns that are compiled when they are first needed."""

from __future__ import annotations

import re

import pytest

from callmux.patterns import late


def test_a_pattern_is_compiled_with_its_flags_and_once() -> None:
    pattern = late(r"a.b", re.IGNORECASE | re.DOTALL)
    assert pattern().fullmatch("A\nB")
    assert pattern() is pattern()


def test_a_pattern_for_bytes_finds_bytes() -> None:
    assert late(rb"a+")().findall(b"aab") == [b"aa"]


def test_a_pattern_that_is_wrong_is_noticed_when_it_is_needed() -> None:
    wrong = late("(")
    with pytest.raises(re.error):
        wrong()
