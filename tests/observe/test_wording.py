"""What others wrote is shown without secrets, cut, and as text that can be written."""

from __future__ import annotations

import pytest

from callmux.observe.wording import said

SECRET = "ghp_0123456789abcdefghij0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", ""), ("get_issue", "get_issue"), ("x" * 90, "x" * 50), ("\ud83d", "?"), ("über", "über")],
)
def test_it_is_cut_and_can_be_written(text: str, shown: str) -> None:
    assert said(text, 50) == shown


def test_secrets_are_hidden_before_it_is_cut() -> None:
    assert "ghp_" not in said(SECRET, 500)
    assert "ghp_" not in said("x" * 40 + " " + SECRET, 50)
