"""Numbers in text."""

from __future__ import annotations

import pytest

from callmux.numerals import number_in


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("00012", "12"),
        ("-00012", "-12"),
        ("-0", "0"),
        ("+0", "0"),
        ("1" * 300, "1" * 300),
        ("0" * 5000 + "7", "7"),
        ("0b101", "5"),
        ("0o17", "15"),
        ("0xff", "255"),
        ("-0xff", None),
        ("1e21", "1e21"),
        ("1.5e-7", "1.5e-7"),
        ("1.E2", "100"),
        ("01.5", "1.5"),
        ("\ufeff7\u00a0", "7"),
        ("1" * 400, None),
        ("0x" + "f" * 400, None),
        ("1 2", None),
        ("--1", None),
        ("e5", None),
        (".", None),
    ],
)
def test_numbers_are_read_as_javascript_reads_them(text: str, number: str | None) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("text", "number"), [("5", "5"), ("5.0", "5"), ("1.5", None), ("1e-7", None), ("0x10", "16"), ("x", None)]
)
def test_only_a_whole_number_will_do_where_one_is_asked_for(text: str, number: str | None) -> None:
    assert number_in(text, whole=True) == number
