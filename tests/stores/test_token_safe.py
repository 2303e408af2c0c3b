"""Tokens of sign-ins in the system's keyring."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmux.stores.sign_ins import Account, Demand, KeptAccount, OAuthClient, SignedIn, Tokens
from callmux.stores.token_safe import KeyringSafe, keyring_safe
from callmux.stores.tokens import SafeFailed, TokenStore, TokensUnreadable

ACCOUNT = Account("s", "https://s.example/mcp")
KEPT = KeptAccount(
    generation=1,
    signed_in=SignedIn(
        issuer="https://i.example",
        token_endpoint="https://i.example/token",
        client=OAuthClient(id="c", secret="s3cret-client"),
        tokens=Tokens(access="s3cret-access", refresh="s3cret-refresh"),
    ),
)


class Held:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False
        self.stuck: threading.Event | None = None

    def get_password(self, service: str, username: str) -> str | None:
        if self.stuck is not None:
            self.stuck.wait(60)
        if self.locked:
            raise RuntimeError("s3cret")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise RuntimeError("s3cret")
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


def test_secrets_are_in_the_keyring_and_not_in_the_file(tmp_path: Path) -> None:
    keyring = Held()
    store = TokenStore(tmp_path, KeyringSafe(keyring))
    store.write(ACCOUNT, KEPT)
    assert "s3cret" not in store.path(ACCOUNT).read_text()
    assert [service for service, _ in keyring.held] == ["callmux sign-ins"]
    assert TokenStore(tmp_path, KeyringSafe(keyring)).read(ACCOUNT) == KEPT
    store.remove(ACCOUNT)
    store.remove(ACCOUNT)
    assert (keyring.held, list(tmp_path.glob("*.json"))) == ({}, [])


def test_a_keyring_that_refuses_is_the_reason_without_its_words(tmp_path: Path) -> None:
    keyring = Held()
    store = TokenStore(tmp_path, KeyringSafe(keyring))
    store.write(ACCOUNT, KEPT)
    keyring.locked = True
    with pytest.raises(TokensUnreadable, match="keyring") as caught:
        TokenStore(tmp_path, KeyringSafe(keyring)).read(ACCOUNT)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(SafeFailed, match="RuntimeError"):
        store.write(ACCOUNT, KEPT)


def test_a_keyring_that_waits_for_its_password_is_not_waited_for(tmp_path: Path) -> None:
    keyring = Held()
    keyring.stuck = threading.Event()
    with pytest.raises(SafeFailed, match="is it locked"):
        KeyringSafe(keyring, seconds=0.05).read("x")
    keyring.stuck.set()


def test_without_a_keyring_there_is_no_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    import keyring.backends.fail

    assert keyring_safe({"CALLMUX_KEYRING": "off"}) is None
    before: Any = keyring.get_keyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: before)
    monkeypatch.setattr("keyring.get_keyring", keyring.backends.fail.Keyring)
    assert keyring_safe({}) is None
    monkeypatch.setattr("keyring.get_keyring", Held)
    assert isinstance(keyring_safe({}), KeyringSafe)


def test_tokens_that_are_in_a_file_stay_there_for_whoever_reaches_no_keyring(tmp_path: Path) -> None:
    """A service refreshes what a terminal has signed in, and the other way round."""
    keyring = Held()
    alone, beside = TokenStore(tmp_path), TokenStore(tmp_path, KeyringSafe(keyring))
    alone.write(ACCOUNT, KEPT)
    beside.write(ACCOUNT, msgspec.structs.replace(KEPT, generation=2))
    assert alone.read(ACCOUNT).generation == 2
    assert keyring.held == {}


def test_a_file_without_tokens_yet_does_not_decide_where_they_go(tmp_path: Path) -> None:
    keyring = Held()
    TokenStore(tmp_path).write(ACCOUNT, KeptAccount(demand=Demand(scopes=("a",))))
    TokenStore(tmp_path, KeyringSafe(keyring)).write(ACCOUNT, KEPT)
    assert len(keyring.held) == 1


def test_who_cannot_use_the_keyring_is_told_so_and_takes_nobody_for_signed_out(tmp_path: Path) -> None:
    TokenStore(tmp_path, KeyringSafe(Held())).write(ACCOUNT, KEPT)
    with pytest.raises(TokensUnreadable, match="which this process cannot use"):
        TokenStore(tmp_path).read(ACCOUNT)
