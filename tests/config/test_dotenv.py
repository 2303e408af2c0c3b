"""Files of NAME=VALUE lines."""

from __future__ import annotations

import pytest

from callmux.config.dotenv import parse_dotenv
from callmux.errors import SecretError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("\n# nothing\n  \n", {}),
        ("A=1\nB = two words \n", {"A": "1", "B": "two words"}),
        ("export A=1", {"A": "1"}),
        ("A=\nB=''\n", {"A": "", "B": ""}),
        ("A=x # why\nB=x#y\n", {"A": "x", "B": "x#y"}),
        ("A='$B \\n # \"'\n", {"A": '$B \\n # "'}),
        ('A="a\\nb \\"c\\" # d" # e\n', {"A": 'a\nb "c" # d'}),
        ('KEY="-----BEGIN\nabc\n-----END"\nB=1', {"KEY": "-----BEGIN\nabc\n-----END", "B": "1"}),
        ("A=`it's`\n", {"A": "it's"}),
        ("A=b=c==\n", {"A": "b=c=="}),
        ("A=it's\n", {"A": "it's"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A.b-c=1\n", {"A.b-c": "1"}),
    ],
)
def test_values_are_read_as_dotenv_libraries_write_them(text: str, found: dict[str, str]) -> None:
    assert parse_dotenv(text) == found


@pytest.mark.parametrize(("text", "number"), [("A=1\nnonsense\n", 2), ("\n\n1A=x", 3), ('A="open\nB=1\n', 1)])
def test_a_line_that_is_none_is_named_and_not_shown(text: str, number: int) -> None:
    with pytest.raises(SecretError, match=f"^line {number} is neither NAME=VALUE nor a comment$"):
        parse_dotenv(text)
