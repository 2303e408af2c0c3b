"""Secrets for `keyring:`: in the system's keyring where there is one, else in files of their owner."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest

from callmux.errors import SecretError
from callmux.secrets.vault import SERVICE, Vault, checked, vault_of


class InMemory(keyring.backend.KeyringBackend):
    """A keyring of the real library that keeps everything in memory."""

    # The library knows every class of this kind: it must not choose this one for other tests.
    priority = -1
    name = "in memory"

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def _look(self) -> None:
        if self.locked:
            raise keyring.errors.KeyringLocked("hunter2")

    def get_password(self, service: str, username: str) -> str | None:
        self._look()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._look()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._look()
        del self.held[service, username]


@pytest.fixture
def system() -> Iterator[InMemory]:
    before = keyring.get_keyring()
    backend = InMemory()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def no_system() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("no_system")
def test_without_a_keyring_a_file_of_its_owner_is_said_and_kept(tmp_path: Path) -> None:
    vault = vault_of({"XDG_STATE_HOME": str(tmp_path)})
    values = tmp_path / "callmux/secrets/values"
    assert vault.place == f"files of mode 0600 in {values} (this system has no keyring that works)"
    vault.set("gh", "one")
    vault.set("gh", "two\nlines")
    vault.set("a.b@c-d_e", "x")
    assert vault.get("gh") == "two\nlines"
    assert vault.names() == {"a.b@c-d_e": "file", "gh": "file"}
    assert stat.S_IMODE((values / "gh").stat().st_mode) == 0o600
    assert stat.S_IMODE(values.stat().st_mode) == stat.S_IMODE(values.parent.stat().st_mode) == 0o700
    assert [vault.remove("gh"), vault.remove("gh")] == [True, False]
    assert sorted(path.name for path in values.iterdir()) == ["a.b@c-d_e"]


def test_without_the_package_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert 'pip install "callmux[keyring]"' in vault_of({"XDG_STATE_HOME": str(tmp_path)}).place


def test_with_a_keyring_the_value_is_there_and_nowhere_else(tmp_path: Path, system: InMemory) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    Vault(tmp_path / "callmux/secrets").set("gh", "in a file, from before")
    vault = vault_of(env)
    assert vault.place == "the system's keyring (in memory)"
    assert vault.get("gh") == "in a file, from before"
    vault.set("gh", "hunter2")
    assert system.held == {(SERVICE, "gh"): "hunter2"}
    assert vault_of(env).get("gh") == "hunter2"
    assert vault.names() == {"gh": "keyring"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.read_text()]
    assert [vault.remove("gh"), vault.remove("gh")] == [True, False]
    assert (system.held, vault.names()) == ({}, {})


def test_what_somebody_else_put_into_the_keyring_is_found(tmp_path: Path, system: InMemory) -> None:
    """`keyring set callmux gh`."""
    system.held[SERVICE, "gh"] = "x"
    vault = vault_of({"XDG_STATE_HOME": str(tmp_path)})
    assert vault.get("gh") == "x"
    assert vault.remove("gh")


def test_a_keyring_that_refuses_is_the_reason_without_its_words(tmp_path: Path, system: InMemory) -> None:
    vault = vault_of({"XDG_STATE_HOME": str(tmp_path)})
    vault.set("gh", "x")
    system.locked = True
    works: list[Any] = [lambda: vault.get("gh"), lambda: vault.set("gh", "y"), lambda: vault.remove("gh")]
    for work in works:
        with pytest.raises(SecretError, match="KeyringLocked") as caught:
            work()
        assert "hunter2" not in caught.value.message


def test_a_secret_in_a_keyring_that_is_gone_is_not_mistaken_for_none(tmp_path: Path) -> None:
    system: Any = InMemory()
    Vault(tmp_path, system).set("gh", "x")
    without = Vault(tmp_path, None, "this system has no keyring that works")
    for work in (without.get, without.remove):
        with pytest.raises(SecretError, match="is in the system's keyring, and this system has no keyring"):
            work("gh")
    without.set("gh", "y")
    assert (without.get("gh"), without.names()) == ("y", {"gh": "file"})


def test_a_secret_that_is_not_there_says_how_to_set_it(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match='there is no secret "gh": run "callmux secret set gh"'):
        Vault(tmp_path).get("gh")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "ä", "x" * 101, "a\n"])
def test_names_that_are_paths_are_refused(tmp_path: Path, name: str) -> None:
    for work in (checked, Vault(tmp_path).get, Vault(tmp_path).remove, lambda n: Vault(tmp_path).set(n, "v")):
        with pytest.raises(SecretError, match="cannot be the name"):
            work(name)


def test_it_shows_where_it_keeps_and_not_what(tmp_path: Path) -> None:
    assert repr(Vault(tmp_path, None, "why")).startswith("Vault('files of mode 0600 in ")
