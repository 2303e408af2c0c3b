"""One screen, that fits 80 columns and a plain terminal."""

from __future__ import annotations

import io

import msgspec
from rich.console import Console

from callmux.cli.top_look import CallRow, ProcessRow, ServerRow
from callmux.cli.top_screen import heading, screen

LONG = "a-server-with-a-very-long-name-that-nobody-would-give-it-but-somebody-will"


def drawn(row: ProcessRow, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, highlight=False).print(screen([row]))
    return out.getvalue()


def process(*calls: CallRow) -> ProcessRow:
    servers = [
        ServerRow(name="notes", state="connected", tools=3, calls=1234567, calls_per_second=812.5),
        ServerRow(name=LONG, state="reconnecting", error="connection refused " * 5),
        ServerRow(name="evil\x1b[2J\u202e", state="disabled"),
    ]
    return ProcessRow(
        name="process 7",
        status="ok",
        sessions=1,
        servers=servers,
        active_calls=list(calls),
        calls_per_second=812.5,
        calls=1234567,
        failed=3,
        counted=True,
    )


def test_it_fits_80_columns_whatever_things_are_called() -> None:
    calls = [CallRow(tool=LONG, server=LONG, client=LONG, duration_ms=n) for n in range(13)]
    text = drawn(process(*calls))
    assert max(map(len, text.splitlines())) <= 80
    assert "1234567" in text
    assert "812.5" in text
    assert "and 3 more" in text
    assert "reconnecting: " in text


def test_names_cannot_draw_on_the_terminal() -> None:
    text = drawn(process())
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "RUNNING" not in text


def test_what_cannot_be_written_stands_below_the_heading_in_one_line() -> None:
    row = msgspec.structs.replace(process(), problems={"eventStore": "no space \x1b[2J" * 20})
    text = drawn(row)
    assert "eventStore cannot be written: no space" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_heading_says_what_is_counted() -> None:
    assert heading(process()) == "process 7: ok, 1 session, 812.5 calls/s, 1234567 calls, 3 failed"
    plain = ProcessRow(
        name="p",
        status="ok",
        sessions=2,
        servers=[],
        active_calls=[],
        calls_per_second=0,
        calls=0,
        failed=0,
        counted=False,
    )
    assert heading(plain) == "p: ok, 2 sessions, calls are not counted"
