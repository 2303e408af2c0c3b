"""Work on large values in portions, so that whoever runs it can let others have their turns. Pure.

A function whose name ends in *-ing* is a generator that yields between two portions and returns its value:
`finished` runs one in one go, `callmux.metatools.children.in_turns` with turns of the loop in between. Small
values are one portion: nothing is yielded.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Portions: TypeAlias = Generator[None, None, T]

PIECE = 256 * 1024
"""Bytes of a portion."""


def finished(work: Portions[T]) -> T:
    """What `work` returns, in one go."""
    while True:
        try:
            next(work)
        except StopIteration as over:
            value: T = over.value
            return value


def pieces(text: bytes) -> Iterator[bytes]:
    """UTF-8 in pieces that are UTF-8 themselves."""
    start, size = 0, len(text)
    while start < size:
        end = min(start + PIECE, size)
        while end < size and text[end] & 0xC0 == 0x80:
            end -= 1
        yield text[start:end]
        start = end
