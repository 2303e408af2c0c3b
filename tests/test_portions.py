"""Work in portions gives what it would give in one go."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from callmux.portions import PIECE, finished, pieces


def test_work_in_portions_can_be_done_in_one_go() -> None:
    done: list[int] = []

    def counting() -> Generator[None, None, str]:
        for n in range(3):
            done.append(n)
            yield
        return "over"

    assert finished(counting()) == "over"
    assert done == [0, 1, 2]


@pytest.mark.parametrize("before", range(5))
@pytest.mark.parametrize("sign", ["x", "ü", "€", "😀"])
def test_pieces_of_a_text_are_texts(sign: str, before: int) -> None:
    text = "x" * (PIECE - before) + sign * 3 + "y" * PIECE
    found = [piece.decode() for piece in pieces(text.encode())]
    assert "".join(found) == text
    assert len(found) >= 2
    assert list(pieces(b"")) == []
