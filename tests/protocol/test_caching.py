"""How long a result holds and for whom: what servers say, what is true of a whole, what clients hear."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.caching import Freshness, narrowest, said_to, speaks, told


@pytest.mark.parametrize(
    ("said", "hold"),
    [
        ({"ttlMs": b"5000", "cacheScope": b'"public"'}, Freshness(5000, False)),
        ({"ttlMs": b"5000", "cacheScope": b'"private"'}, Freshness(5000, True)),
        ({"ttlMs": b"5000"}, Freshness(5000, True)),
        ({"cacheScope": b'"public"'}, Freshness(0, False)),
        ({"ttlMs": b"-1", "cacheScope": b'"else"'}, Freshness(0, True)),
        ({"ttlMs": b'"long"', "cacheScope": b"7"}, Freshness(0, True)),
        ({}, Freshness(0, True)),
    ],
)
def test_what_says_nothing_holds_for_no_time_and_for_its_reader_alone(said: Any, hold: Freshness) -> None:
    assert told(said) == hold
    assert told({name: Raw(raw) for name, raw in said.items()}) == hold


def test_a_whole_holds_as_long_as_its_shortest_part_and_is_private_if_any_part_is() -> None:
    assert narrowest([]) == Freshness(inf, False)
    assert narrowest([Freshness(5, False), Freshness(3, True), Freshness(9, False)]) == Freshness(3, True)


RESULT: dict[str, Any] = {"contents": [], "ttlMs": 5000, "cacheScope": "public"}


def test_clients_hear_what_their_revision_has_and_never_more_than_is_true_for_them() -> None:
    raw = json.dumps(RESULT).encode()
    assert speaks(raw)
    assert said_to(raw, modern=True) == raw
    assert json.loads(said_to(raw, modern=True, private=True)) == {**RESULT, "cacheScope": "private"}
    assert json.loads(said_to(raw, modern=True, spent=True)) == {**RESULT, "ttlMs": 0}
    assert json.loads(said_to(raw, modern=False)) == {"contents": []}


def test_a_result_that_says_nothing_stays_as_it_came() -> None:
    raw = b'{ "contents": [] }'
    assert said_to(raw, modern=True, private=True, spent=True) == raw
    assert said_to(raw, modern=False) == raw
