"""Lines that are pasted while something else is waited for."""

from __future__ import annotations

import os
import pty
import termios
from contextlib import suppress
from pathlib import Path

from callmux.cli.pasting import PastedLines, pasted
from tests.support import real_loop, until


def test_lines_are_put_together_out_of_pieces_and_corrections() -> None:
    taken: list[str] = []
    lines = PastedLines(taken.append)
    for data in (b"\x1b[200~one", b" \n", b"\n\r\n", b"twX\x7fo\rth", b"\xff", b"\x08ree\n", b"rest"):
        lines.feed(data)
    assert taken == ["one", "two", "three"]


@real_loop()
async def test_a_long_line_is_taken_whole_and_not_shown_and_the_terminal_is_as_it_was() -> None:
    """A terminal's own line ends at 4,096 characters."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    taken: list[str] = []
    address = "http://127.0.0.1:1/callback?code=" + "c" * 9000
    with pasted(taken.append, theirs) as can:
        assert can
        sent = address.encode() + b"\n"
        os.set_blocking(ours, False)
        while sent:
            with suppress(BlockingIOError):
                sent = sent[os.write(ours, sent[:1000]) :]
            await until(lambda: True)
        await until(lambda: taken, "the line")
    assert taken == [address]
    assert termios.tcgetattr(theirs) == before
    try:
        shown = os.read(ours, 100)
    except BlockingIOError:
        shown = b""
    assert shown == b""
    # What is typed afterwards is there for whoever asks next.
    os.write(ours, b"next\n")
    assert os.read(theirs, 100) == b"next\n"
    os.close(ours)
    os.close(theirs)


@real_loop()
async def test_a_pipe_gives_its_lines_and_its_end_is_no_answer() -> None:
    reading, writing = os.pipe()
    taken: list[str] = []
    with pasted(taken.append, reading) as can:
        assert can
        os.write(writing, b"one\ntwo")
        os.close(writing)
        await until(lambda: len(taken) == 2, "both lines")
    assert taken == ["one", "two"]
    os.close(reading)


@real_loop()
async def test_nothing_can_be_pasted_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with (tmp_path / "f").open() as file, pasted(lambda text: None, file.fileno()) as can:
        assert not can


@real_loop()
async def test_without_any_input_nothing_can_be_pasted() -> None:
    import sys

    before = sys.stdin
    sys.stdin = None
    try:
        with pasted(lambda text: None) as can:
            assert not can
    finally:
        sys.stdin = before
