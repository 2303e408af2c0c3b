"""What is remembered of credentials: for a while, by a keyed digest, bounded."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.guard import memory as module
from callmux.guard.grant import Grant, Standing
from callmux.guard.memory import BAD_SECONDS, GOOD_SECONDS, Memory
from callmux.guard.principal import Principal

KEY = b"k" * 32


def grant(**more: Any) -> Grant:
    return Grant(principal=Principal(kind="bearer", id="ops"), standing=Standing(), **more)


def test_a_good_credential_is_remembered_for_as_long_as_it_is_used() -> None:
    memory, mine = Memory(KEY), grant()
    memory.keep(b"d", mine, 0)
    at = 0.0
    for _ in range(5):
        at += GOOD_SECONDS
        assert memory.recall(b"d", at, 0) is mine
    assert memory.recall(b"d", at + GOOD_SECONDS + 1, 0) is None
    assert memory.recall(b"d", at + 1, 0) is None, "what is forgotten stays forgotten"


def test_what_no_longer_holds_is_forgotten_whatever_the_clock_does_then() -> None:
    memory = Memory(KEY)
    memory.keep(b"d", grant(expires=1000.0), 0)
    assert memory.recall(b"d", 1, 999) is not None
    assert memory.recall(b"d", 2, 1000) is None
    assert memory.recall(b"d", 3, 500) is None


def test_a_withdrawn_token_is_recalled_no_more() -> None:
    memory, mine = Memory(KEY), grant()
    memory.keep(b"d", mine, 0)
    mine.standing.valid = False
    assert memory.recall(b"d", 1, 0) is None


@pytest.mark.parametrize("seconds", [-1.0, -1e9])
def test_a_clock_that_goes_back_makes_nothing_last_longer(seconds: float) -> None:
    memory = Memory(KEY)
    memory.keep(b"good", grant(), 100)
    memory.refuse(b"bad", 100)
    assert memory.recall(b"good", 100 + seconds, 0) is None
    assert not memory.is_bad(b"bad", 100 + seconds)


def test_a_bad_credential_is_refused_for_a_while_and_until_the_configuration_changes() -> None:
    memory = Memory(KEY)
    memory.refuse(b"d", 0)
    assert memory.is_bad(b"d", BAD_SECONDS)
    assert not memory.is_bad(b"d", BAD_SECONDS + 1)
    memory.reconsider()
    assert not memory.is_bad(b"d", 1)


def test_a_credential_found_good_is_not_bad_any_more() -> None:
    memory = Memory(KEY)
    memory.refuse(b"d", 0)
    memory.keep(b"d", grant(), 1)
    assert not memory.is_bad(b"d", 1)


def test_guesses_do_not_push_out_what_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    memory = Memory(KEY)
    memory.keep(b"used", grant(), 0)
    for n in range(10):
        memory.refuse(b"%d" % n, n)
        memory.keep(b"g%d" % n, grant(), n)
        assert memory.recall(b"used", n, 0) is not None
    assert repr(memory) == "Memory(3 good, 3 bad)"
    assert not memory.is_bad(b"0", 5)


def test_digests_need_the_key_of_the_process() -> None:
    assert Memory(KEY).digest(b"t") == Memory(KEY).digest(b"t") != Memory(b"l" * 32).digest(b"t")
    assert b"secret" not in Memory(KEY).digest(b"secret")


def test_a_credential_that_must_be_looked_at_again_is_forgotten_in_time_however_often_it_is_used() -> None:
    memory = Memory(KEY)
    memory.keep(b"d", grant(remembered_seconds=60.0), 0)
    assert all(memory.recall(b"d", at, 0) is not None for at in range(0, 61, 10))
    assert memory.recall(b"d", 61, 0) is None
