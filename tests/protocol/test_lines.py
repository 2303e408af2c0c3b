"""A stream becomes the same lines however it is cut."""

from __future__ import annotations

import time

import pytest

from callmux.protocol.lines import HEAD, LineBuffer, Oversized


def fed(*chunks: bytes, limit: int = 100) -> list[bytes | Oversized]:
    buffer = LineBuffer(limit)
    return [line for chunk in chunks for line in buffer.feed(chunk)]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\n"], [b"a"]),
        ([b"a"], []),
        ([b"a", b"b", b"\n"], [b"ab"]),
        ([b"a\nb\nc"], [b"a", b"b"]),
        ([b"a\nb", b"c\nd\n"], [b"a", b"bc", b"d"]),
        ([b"", b"\n", b"\n\n", b" \t\r\n", b"x\r\n"], [b"x\r"]),
        ([b"  ", b"  \n"], []),
        ([b"a\n", b"", b"b\n"], [b"a", b"b"]),
    ],
)
def test_lines_end_at_newlines_only(chunks: list[bytes], lines: list[bytes]) -> None:
    """Blank lines are left out."""
    assert fed(*chunks) == lines


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_line_beyond_the_limit_leaves_its_head(size: int) -> None:
    """The lines around it are whole, whatever the chunks."""
    stream = b"before\n" + b"x" * 500 + b"\nafter\n"
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert fed(*chunks) == [b"before", Oversized(b"x" * 500), b"after"]


@pytest.mark.parametrize("size", [1000, HEAD // 2, HEAD, HEAD + 1, 4 * HEAD])
def test_the_head_is_bounded(size: int) -> None:
    """What comes after the head is not kept."""
    buffer = LineBuffer(2 * HEAD)
    stream = b"y" * HEAD + b"z" * (3 * HEAD)
    for i in range(0, len(stream), size):
        assert buffer.feed(stream[i : i + size]) == []
    if size <= HEAD:
        assert sum(map(len, buffer._parts)) == HEAD
    assert buffer.feed(b"\nnext\n") == [Oversized(b"y" * HEAD), b"next"]


def test_a_line_of_exactly_the_limit_is_kept() -> None:
    assert fed(b"x" * 100 + b"\n") == [b"x" * 100]
    assert fed(b"x" * 50, b"x" * 50, b"\n") == [b"x" * 100]
    assert fed(b"x" * 101 + b"\n") == [Oversized(b"x" * 101)]


def test_a_long_line_in_small_chunks_costs_time_in_proportion() -> None:
    buffer = LineBuffer()
    began = time.process_time()
    for _ in range(100_000):
        buffer.feed(b"x" * 100)
    assert buffer.feed(b"\n") == [b"x" * 10_000_000]
    assert time.process_time() - began < 5
