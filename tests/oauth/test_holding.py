"""Whoever changes an account waits for whoever does so already, and not for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.holding import hold, read, write
from callmux.stores.sign_ins import Account, KeptAccount
from callmux.stores.tokens import SafeFailed, TokenStore

ANN = Account("s", "https://s.example/mcp")


async def test_the_next_one_has_it_when_it_is_given_back(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    first = await hold(store, ANN, 1.0)
    waiting = asyncio.ensure_future(hold(store, ANN, 60.0))
    await asyncio.sleep(5)
    assert not waiting.done()
    first.release()
    (await waiting).release()


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    with await hold(store, ANN, 1.0), pytest.raises(SignInFailed, match="busy with this sign-in") as caught:
        await hold(store, ANN, 3.0)
    assert caught.value.why is Why.NETWORK


async def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SignInFailed, match="tokens cannot be kept") as caught:
        await hold(TokenStore(tmp_path / "file"), ANN, 1.0)
    assert caught.value.why is Why.SETTINGS


def test_what_cannot_be_read_or_kept_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(tmp_path)
    store.path(ANN).write_text("{")
    store.path(ANN).chmod(0o600)
    with pytest.raises(SignInFailed, match="damaged") as caught:
        read(store, ANN)
    assert caught.value.why is Why.SETTINGS
    for problem in (OSError(28, "No space left on device"), OSError("No space"), SafeFailed("No space")):

        def full(*_: object, problem: Exception = problem) -> None:
            raise problem

        monkeypatch.setattr(store, "write", full)
        with pytest.raises(SignInFailed, match="cannot be kept: No space") as caught:
            write(store, ANN, KeptAccount())
        assert caught.value.why is Why.SETTINGS
