"""--header NAME:VALUE"""

from __future__ import annotations

import pytest

from callmux.cli.headers import read_header, read_headers
from callmux.errors import UsageError


def test_a_header_is_split_at_the_first_colon() -> None:
    assert read_header(" X-A :  b:c ") == ("X-A", "b:c")
    assert read_header("X-A:") == ("X-A", "")


def test_the_same_name_again_replaces_however_it_is_spelled() -> None:
    assert read_headers(["X-A: 1", "X-B: 2", "x-a: 3"]) == {"X-B": "2", "x-a": "3"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nocolon", "--header must use Name:Value format"),
        (": v", "--header must use Name:Value format"),
        ("a b: v", "is not a valid header name"),
        ("Host: v", "callmux itself sets Host"),
        ("mcp-session-id: v", "callmux itself sets"),
        ("A: b\r\nC: d", "characters that a header cannot have"),
        ("A: \udcff", "characters that a header cannot have"),
    ],
)
def test_what_is_no_header_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_header(text)
