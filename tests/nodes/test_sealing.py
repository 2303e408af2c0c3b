"""Requests between nodes: taken from whoever has the secret, once, and shown that we have it, too."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.nodes.sealing import (
    SENDERS,
    WINDOW,
    NodeKeys,
    Passed,
    PassedClient,
    TakenNumbers,
    Unsealed,
    finite,
)

OURS, THEIRS = NodeKeys(b"a secret of all nodes"), NodeKeys(b"another secret")
PASSED = Passed(
    sender="a.1",
    receiver="b.2",
    number=7,
    headers=(("x-name", "caf\xe9"),),
    client=PassedClient(kind="bearer", id="ann", groups=("g",), expires=5.0),
    granted=True,
)


def test_a_node_with_the_secret_opens_what_was_sealed() -> None:
    sent, mac = OURS.seal(PASSED, b'{"a":1}')
    assert OURS.open(sent, mac) == (PASSED, b'{"a":1}')


@given(place=st.integers(min_value=0), bit=st.integers(0, 7))
def test_nothing_can_be_changed_on_the_way(place: int, bit: int) -> None:
    sent, mac = OURS.seal(PASSED, b"body")
    changed = bytearray(sent)
    changed[place % len(sent)] ^= 1 << bit
    with pytest.raises(Unsealed, match=r"state\.key"):
        OURS.open(bytes(changed), mac)


@pytest.mark.parametrize("mac", ["", "0" * 64, "caf\xe9"])
def test_nobody_without_the_secret_is_taken(mac: str) -> None:
    sent, _ = OURS.seal(PASSED, b"")
    with pytest.raises(Unsealed):
        OURS.open(sent, mac)
    with pytest.raises(Unsealed):
        THEIRS.open(*OURS.seal(PASSED, b""))


def test_another_form_is_refused_and_says_why() -> None:
    other = msgspec.structs.replace(PASSED, schema=2)
    with pytest.raises(Unsealed, match="form 2"):
        OURS.open(*OURS.seal(other, b""))
    sent = b"\x00\x00\x00\x02[]"
    with pytest.raises(Unsealed, match="same version"):
        OURS.open(sent, OURS._mac(sent))


def test_an_answer_shows_the_secret_and_which_request_it_is_to() -> None:
    _, mac = OURS.seal(PASSED, b"")
    assert OURS.proves(OURS.proof(mac), mac)
    assert not OURS.proves(THEIRS.proof(mac), mac)
    assert not OURS.proves(OURS.proof("other"), mac)
    assert not OURS.proves(mac, mac), "what was sent proves nothing"
    assert not OURS.proves("caf\xe9", mac)


def test_each_number_of_a_sender_is_taken_once_in_any_order() -> None:
    taken = TakenNumbers()
    assert [taken.take("a", n) for n in (0, 2, 1, 2, 1, 0, 3)] == [
        True,
        True,
        True,
        False,
        False,
        False,
        True,
    ]
    assert taken.take("b", 2), "another sender has numbers of its own"


def test_numbers_that_are_far_behind_are_not_taken() -> None:
    taken = TakenNumbers()
    assert taken.take("a", 0)
    assert taken.take("a", 3 * WINDOW)
    assert not taken.take("a", 0)
    assert not taken.take("a", 2 * WINDOW)
    assert taken.take("a", 2 * WINDOW + 1)


@given(st.lists(st.integers(0, 2 * WINDOW), max_size=60))
def test_no_number_is_taken_twice(numbers: list[int]) -> None:
    taken = TakenNumbers()
    accepted = [number for number in numbers if taken.take("a", number)]
    assert len(accepted) == len(set(accepted))


def test_the_senders_that_have_been_silent_longest_are_forgotten() -> None:
    taken = TakenNumbers()
    for n in range(SENDERS + 1):
        taken.take(f"s{n}", 0)
        taken.take("busy", n)
    assert not taken.take("busy", 0)
    assert taken.take("s0", 0)


@pytest.mark.parametrize(("time", "sent"), [(math.inf, None), (-math.inf, None), (5.0, 5.0)])
def test_times_without_a_bound_are_left_out(time: float, sent: float | None) -> None:
    assert finite(time) == sent


def test_how_much_is_sent_is_announced_by_nodes_of_ours_only() -> None:
    keys = NodeKeys(b"a secret of all nodes")
    assert keys.announces(keys.announced(5), 5)
    for announced in (keys.announced(6), NodeKeys(b"another secret").announced(5), "", "caf\xe9"):
        assert not keys.announces(announced, 5)
