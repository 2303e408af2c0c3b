"""Sign-ins survive processes; who else writes meanwhile is seen; what is not ours is not believed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from callmux.stores.sign_ins import Account, KeptAccount, OAuthClient, SignedIn, Tokens
from callmux.stores.tokens import SafeFailed, TokenStore, TokensUnreadable, token_directory

ANN = Account("notes", "https://notes.example/mcp")
SIGNED_IN = SignedIn(
    issuer="https://id.example",
    token_endpoint="https://id.example/token",
    client=OAuthClient(id="me", secret="hush-secret"),
    tokens=Tokens(access="hush-access", refresh="hush-refresh"),
)
KEPT = KeptAccount(generation=3, signed_in=SIGNED_IN, registered=("https://id.example", SIGNED_IN.client))


class Keyring:
    """A safe in memory that can fail."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.fails = False

    def _check(self) -> None:
        if self.fails:
            raise SafeFailed("it is locked")

    def read(self, name: str) -> bytes | None:
        self._check()
        return self.kept.get(name)

    def write(self, name: str, value: bytes) -> None:
        self._check()
        self.kept[name] = value

    def remove(self, name: str) -> None:
        self._check()
        self.kept.pop(name, None)


def test_what_was_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    TokenStore(tmp_path / "t").write(ANN, KEPT)
    assert TokenStore(tmp_path / "t").read(ANN) == KEPT


def test_a_secret_in_a_url_is_not_in_the_file(tmp_path: Path) -> None:
    account = Account("notes", "https://bob:s3cret@notes.example:8443/s3cret/mcp?key=s3cret")
    store = TokenStore(tmp_path)
    store.write(account, KEPT)
    text = store.path(account).read_text()
    assert "s3cret" not in text
    assert "https://notes.example:8443" in text
    assert TokenStore(tmp_path).read(account) == KEPT


def test_nothing_is_kept_of_an_account_that_never_signed_in(tmp_path: Path) -> None:
    assert TokenStore(tmp_path / "t").read(ANN) == KeptAccount()


def test_nobody_else_may_read_the_file_or_its_folder(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "t")
    store.write(ANN, KEPT)
    assert stat.S_IMODE(store.path(ANN).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o700


def test_a_change_by_another_process_is_seen_and_no_change_costs_no_reading(tmp_path: Path) -> None:
    one, other = TokenStore(tmp_path), TokenStore(tmp_path)
    one.write(ANN, KEPT)
    first = one.read(ANN)
    assert one.read(ANN) is first
    other.write(ANN, msgspec.structs.replace(KEPT, generation=4))
    assert one.read(ANN).generation == 4
    other.remove(ANN)
    assert one.read(ANN) == KeptAccount()


def test_an_account_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    one, other = TokenStore(tmp_path), TokenStore(tmp_path)
    held = one.hold(ANN)
    assert held is not None
    assert other.hold(ANN) is None
    free = other.hold(Account("other", "https://o/mcp"))
    assert free is not None
    free.release()
    with held:
        pass
    again = other.hold(ANN)
    assert again is not None
    again.release()
    again.release()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.chmod(0o640), "others may read it"),
        (lambda path: path.write_text("{"), "damaged"),
        (lambda path: path.write_text('{"version":2}'), "newer callmux"),
        (lambda path: path.write_bytes(b" " * (1024 * 1024 + 1)), "too large"),
        (
            lambda path: (path.rename(path.with_suffix(".x")), path.symlink_to(path.with_suffix(".x"))),
            "plain file",
        ),
    ],
)
def test_a_file_that_is_not_as_it_was_left_is_not_believed(spoil: object, why: str, tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.write(ANN, KEPT)
    assert callable(spoil)
    spoil(store.path(ANN))
    with pytest.raises(TokensUnreadable, match=why):
        store.read(ANN)


def test_a_file_that_was_copied_to_another_account_is_not_believed(tmp_path: Path) -> None:
    store, bob = TokenStore(tmp_path), Account("notes", ANN.url, "bearer:bob")
    store.write(ANN, KEPT)
    os.link(store.path(ANN), store.path(bob))
    with pytest.raises(TokensUnreadable, match="another account"):
        store.read(bob)


def test_with_a_keyring_no_secret_is_in_the_file(tmp_path: Path) -> None:
    ring = Keyring()
    store = TokenStore(tmp_path, ring)
    store.write(ANN, KEPT)
    assert b"hush" not in store.path(ANN).read_bytes()
    assert TokenStore(tmp_path, ring).read(ANN) == KEPT
    store.remove(ANN)
    assert ring.kept == {}
    assert store.read(ANN) == KeptAccount()


def test_a_keyring_that_is_ahead_of_its_file_is_right(tmp_path: Path) -> None:
    """A process died between the two."""
    ring = Keyring()
    store = TokenStore(tmp_path, ring)
    store.write(ANN, KEPT)
    newer = 4, msgspec.structs.replace(SIGNED_IN, tokens=Tokens(access="newer")), None
    ring.kept[ANN.digest] = msgspec.json.encode(newer)
    found = TokenStore(tmp_path, ring).read(ANN)
    assert found.generation == 4
    assert found.signed_in is not None
    assert found.signed_in.tokens.access == "newer"


def test_a_keyring_that_fails_or_lost_its_secrets_is_told_from_no_sign_in(tmp_path: Path) -> None:
    ring = Keyring()
    store = TokenStore(tmp_path, ring)
    store.write(ANN, KEPT)
    ring.fails = True
    with pytest.raises(TokensUnreadable, match="it is locked"):
        TokenStore(tmp_path, ring).read(ANN)
    ring.fails = False
    ring.kept[ANN.digest] = b"[]"
    with pytest.raises(TokensUnreadable, match="another version"):
        TokenStore(tmp_path, ring).read(ANN)
    ring.kept.clear()
    assert TokenStore(tmp_path, ring).read(ANN).signed_in is None
    with pytest.raises(TokensUnreadable, match="which this process cannot use"):
        TokenStore(tmp_path).read(ANN)


def test_a_full_disk_leaves_what_there_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = TokenStore(tmp_path)
    store.write(ANN, KEPT)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(ANN, KeptAccount(generation=9))
    assert store.read(ANN) == KEPT
    assert [path.name for path in tmp_path.iterdir()] == [store.path(ANN).name]


def test_sign_ins_are_in_the_state_directory_of_the_user() -> None:
    assert token_directory({"XDG_STATE_HOME": "/s"}) == Path("/s/callmux/tokens")


@pytest.mark.skipif(os.name != "posix", reason="named pipes are of POSIX")
def test_a_lock_that_is_a_pipe_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    os.mkfifo(store.path(ANN).with_suffix(".lock"))
    with pytest.raises(OSError):
        store.hold(ANN)
