"""What is sent in one turn of the loop is written at its end."""

from __future__ import annotations

from collections.abc import Sequence

from callmux.batch_writer import BatchWriter
from tests.support import settle


async def test_lines_of_one_turn_are_written_together_and_in_order() -> None:
    written: list[Sequence[bytes]] = []
    writer = BatchWriter(written.append)
    writer.send(b"1")
    writer.send(b"2")
    assert written == []
    await settle()
    writer.send(b"3")
    await settle()
    assert written == [[b"1", b"2"], [b"3"]]


async def test_a_flush_writes_at_once_and_nothing_twice() -> None:
    written: list[Sequence[bytes]] = []
    writer = BatchWriter(written.append)
    writer.flush()
    writer.send(b"1")
    writer.flush()
    assert written == [[b"1"]]
    writer.send(b"2")
    await settle()
    assert written == [[b"1"], [b"2"]]


async def test_a_line_sent_while_writing_goes_with_the_next_turn() -> None:
    written: list[Sequence[bytes]] = []

    def write(lines: Sequence[bytes]) -> None:
        written.append(lines)
        if len(written) == 1:
            writer.send(b"more")

    writer = BatchWriter(write)
    writer.send(b"first")
    await settle()
    assert written == [[b"first"], [b"more"]]
