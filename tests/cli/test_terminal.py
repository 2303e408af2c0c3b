"""Reports on a terminal, and elsewhere."""

from __future__ import annotations

import sys

import pytest

from callmux.cli import terminal
from callmux.cli.terminal import PIPED, WIDEST, columns, folded, painted, show_report


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "40")


REPORT = [
    "Status: ok",
    "",
    "[error] a",
    "  issue: it says a lot that does not fit here",
    "    raw",
    "  tools: 2",
]


def test_elsewhere_lines_leave_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_report(REPORT)
    assert capsys.readouterr().out.splitlines() == REPORT


def test_a_terminal_gets_colours_and_its_own_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    show_report(REPORT)
    assert capsys.readouterr().out.splitlines() == [
        "\x1b[32mStatus: ok\x1b[0m",
        "",
        "\x1b[31m[error]\x1b[0m a",
        "\x1b[31m  issue:\x1b[0m it says a lot that does not fit",
        "    here",
        "\x1b[2m    raw\x1b[0m",
        "  tools: 2",
    ]


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_are_left_out_where_nobody_wants_them(
    variable: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.setenv(*variable)
    show_report(REPORT)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "width"), [("60", 60), ("300", WIDEST), ("7", 40), ("", PIPED), ("x", PIPED)]
)
def test_the_width(given: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", given)
    assert columns() == width


def test_a_word_that_is_too_long_stays_whole() -> None:
    assert list(folded("  a " + "x" * 50, 40)) == ["  a", "    " + "x" * 50]
    assert list(folded("", 40)) == [""]
    assert painted("plain", "plain") == "plain"
    assert terminal.NARROWEST == 40
