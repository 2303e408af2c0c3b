"""The id of a message that no reader takes is found at its top level, and nowhere else."""

from __future__ import annotations

import pytest

from callmux.protocol.fragments import found_in


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"id":7,"result":{"a":', (7, True)),
        (b'{"id":"x","method":"m","params":{"id":1', ("x", False)),
        (b'{"params":{"id":1,"method":"n"},"result":0', (None, True)),
        (b'{"result":[1,2],"id":12', (None, True)),
        (b'{"id":5.5,"result":1}', (None, True)),
        (b"nothing of the kind", (None, True)),
        (b"", (None, True)),
    ],
)
def test_what_is_left_of_a_message_says_whose_it_is(line: bytes, found: tuple[object, bool]) -> None:
    assert found_in(line) == found
