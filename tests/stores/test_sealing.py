"""What is sealed opens with its key and in its place, and with nothing else."""

from __future__ import annotations

import pytest

from callmux.stores.sealing import Sealing, Unsealable


def test_it_opens_with_its_key_and_in_its_place_alone() -> None:
    sealing = Sealing(b"k" * 32)
    value = sealing.seal(b"hush", "a")
    assert b"hush" not in value
    assert Sealing(b"k" * 32).unseal(value, "a") == b"hush"
    assert sealing.seal(b"hush", "a") != value
    for other, about, given in (
        (Sealing(b"o" * 32), "a", value),
        (sealing, "b", value),
        (sealing, "a", value[:-1] + bytes([value[-1] ^ 1])),
        (sealing, "a", b"short"),
        (sealing, "a", b""),
    ):
        with pytest.raises(Unsealable):
            other.unseal(given, about)
