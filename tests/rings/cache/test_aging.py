"""A result from the cache says how old it is, and nothing of that gets into what is made of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.protocol.shapes import AGE, Aged, Result
from callmux.rings.cache.aging import FROM_SECONDS, KEY, aged, stamped, unstamped
from callmux.rings.converting import alone

TEXT = {"type": "text", "text": "12:00"}
RAW = json.dumps({"content": [TEXT], "structuredContent": {"now": "12:00"}}).encode()


@given(st.dictionaries(st.text(), st.text()), st.integers(0, 10**13).map(lambda ms: ms / 1000))
def test_what_is_kept_gives_the_result_byte_for_byte_and_the_time(members: Any, now: float) -> None:
    raw = msgspec.json.encode(members)
    given_back, since = unstamped(stamped(raw, now))
    assert given_back == raw
    assert since == pytest.approx(now, abs=0.001)


@pytest.mark.parametrize("kept", [RAW, b'{"a":1}\n', b"[1]", b"[1]\n1x", b""])
def test_what_has_no_time_is_given_as_it_is(kept: bytes) -> None:
    assert unstamped(kept) == (kept, None)


def test_what_does_not_end_like_a_result_gets_no_time() -> None:
    assert stamped(b'{"a":1} ', 5) == b'{"a":1} '


def test_a_young_result_is_given_as_it_came() -> None:
    given = aged(RAW, FROM_SECONDS - 0.001, direct=False)
    assert (type(given), given.raw) == (Result, RAW)
    assert aged(RAW, -5, direct=False).raw == RAW


@pytest.mark.parametrize("direct", [True, False])
def test_an_older_one_says_so_behind_everything_else_and_how_to_ask_anew(direct: bool) -> None:
    found = aged(RAW, 42.9, direct=direct)
    said = json.loads(found.raw)
    assert said["content"][0] == TEXT
    assert said["content"][1]["text"].startswith("(kept by callmux for 42 s; ")
    assert "forceReconnect" in said["content"][1]["text"]
    assert said["structuredContent"] == {"now": "12:00"}
    assert said["_meta"] == {KEY: {AGE: 42}}
    assert type(found) is (Result if direct else Aged)
    assert (type(alone(found)), alone(found).raw) == (Result, found.raw)


def test_in_an_answer_to_several_calls_the_age_stands_beside_the_result() -> None:
    found = aged(RAW, 42, direct=False)
    assert isinstance(found, Aged)
    assert found.plain.raw == RAW
    assert {name: bytes(value) for name, value in found.beside.items()} == {AGE: b"42"}


def test_what_a_server_said_beside_its_content_stays() -> None:
    def meta(own: Any) -> Any:
        raw = json.dumps({"content": [], "_meta": own}).encode()
        return json.loads(aged(raw, 5, direct=False).raw)["_meta"]

    assert meta({"own": [1]}) == {"own": [1], KEY: {AGE: 5}}
    assert meta("odd") == "odd"
    bare = json.loads(aged(b'{"structuredContent":{}}', 5, direct=False).raw)
    assert len(bare["content"]) == 1
