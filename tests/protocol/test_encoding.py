"""Valid UTF-8 passes and nothing else does, however it is cut."""

from __future__ import annotations

import pytest

from callmux.protocol.encoding import PIECE, Utf8Check, is_utf8

SOUND = ["", "plain", "é", "😀", "“quoted” " * 20_000, "a" * (PIECE - 1) + "😀" + "b" * PIECE]
BROKEN = [b"\xff", b"\xe2\x80", "😀".encode()[:3] + b"x", b"a" * (3 * PIECE) + b"\xf0\x9f", b"\xed\xa0\x80"]


@pytest.mark.parametrize("text", SOUND)
@pytest.mark.parametrize("size", [1, 1000, 10 * PIECE])
def test_valid_text_passes_in_chunks_of_any_size(text: str, size: int) -> None:
    data = text.encode()
    check = Utf8Check()
    for start in range(0, min(len(data), 500 * size), size):
        check.feed(data[start : start + size])
    if len(data) <= 500 * size:
        assert check.passed()
    assert is_utf8(data)


@pytest.mark.parametrize("data", BROKEN)
def test_anything_else_fails(data: bytes) -> None:
    """Half a character at the end, a lone surrogate, a byte that begins nothing."""
    check = Utf8Check()
    check.feed(data)
    check.feed(b" and more")
    assert not check.passed()
    assert not is_utf8(data)
