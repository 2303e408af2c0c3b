"""Where secrets are kept for `keyring:NAME`: the system's keyring, or files that only their owner can read.

Called by `callmux.secrets.resolving`, `callmux.cli.secret` and `callmux.stores.token_safe`. The keyring
needs the package `keyring` (`pip install "callmux[keyring]"`) and a keyring that works; both are looked for
when a secret is needed. Names of secrets stand in a directory, because keyrings cannot list what they hold.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Protocol

from callmux.config.secrets import read_secret_file
from callmux.errors import SecretError
from callmux.places import state_dir

SERVICE = "callmux"
"""What secrets of ours are filed under in a keyring."""
INSTALL = 'pip install "callmux[keyring]"'

_NAME = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,99}")
_UNUSABLE = ("keyring.backends.fail", "keyring.backends.null")


class Keyring(Protocol):
    """What is used of the system's keyring."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class Vault:
    """The secrets of one user.

    Args:
        directory: Where files are.
        keyring: The system's keyring; None where there is none.
        why: Why there is none.
    """

    def __init__(self, directory: Path, keyring: Keyring | None = None, why: str = "") -> None:
        self._values = directory / "values"
        self._marks = directory / "keyring"
        self._keyring = keyring
        self._why = why

    def __repr__(self) -> str:
        return f"Vault({self.place!r})"

    @property
    def place(self) -> str:
        """Where a new secret is kept, in words."""
        if self._keyring is not None:
            return f"the system's keyring ({_title(self._keyring)})"
        return f"files of mode 0600 in {self._values} ({self._why})"

    def names(self) -> dict[str, str]:
        """The names there are, sorted, each with `keyring` or `file`."""
        found = dict.fromkeys(_listed(self._marks), "keyring")
        return dict(sorted((found | dict.fromkeys(_listed(self._values), "file")).items()))

    def get(self, name: str) -> str:
        """The value of a secret.

        Raises:
            SecretError: There is none, or it cannot be read.
        """
        path = self._values / checked(name)
        if path.exists():
            value = read_secret_file(path)
        elif self._keyring is not None:
            value = asked(self._keyring, SERVICE, name) or ""
        elif (self._marks / name).exists():
            raise SecretError(f'the secret "{name}" is in the system\'s keyring, and {self._why}')
        else:
            value = ""
        if not value:
            raise SecretError(f'there is no secret "{name}": run "callmux secret set {name}"')
        return value

    def set(self, name: str, value: str) -> None:
        """Keeps a secret; one of this name is replaced.

        Raises:
            SecretError: The keyring refuses, or the name cannot be used.
        """
        path, mark = self._values / checked(name), self._marks / name
        if self._keyring is None:
            _write(path, value)
            mark.unlink(missing_ok=True)
            return
        put(self._keyring, SERVICE, name, value)
        _write(mark, "")
        path.unlink(missing_ok=True)

    def remove(self, name: str) -> bool:
        """Forgets a secret. Gives whether there was one.

        Raises:
            SecretError: The keyring refuses.
        """
        path, mark = self._values / checked(name), self._marks / name
        there = path.exists() or mark.exists()
        if self._keyring is not None and (mark.exists() or asked(self._keyring, SERVICE, name) is not None):
            there = True
            forget(self._keyring, SERVICE, name)
        elif mark.exists():
            raise SecretError(f'the secret "{name}" is in the system\'s keyring, and {self._why}')
        path.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
        return there


def vault_of(env: Mapping[str, str]) -> Vault:
    """The vault of this user, with the system's keyring where there is one."""
    return Vault(state_dir(env) / "secrets", *system_keyring(env))


def system_keyring(env: Mapping[str, str]) -> tuple[Keyring | None, str]:
    """The system's keyring, or why there is none.

    Args:
        env: `CALLMUX_KEYRING=off` stands for no keyring.
    """
    if env.get("CALLMUX_KEYRING") == "off":
        return None, "CALLMUX_KEYRING is off"
    try:
        library = import_module("keyring")
    except ImportError:
        return None, f"the package keyring is not installed: {INSTALL}"
    found: Keyring = library.get_keyring()
    if type(found).__module__ in _UNUSABLE:
        return None, "this system has no keyring that works"
    return found, ""


def checked(name: str) -> str:
    """The name, if secrets can be called so.

    Raises:
        SecretError: They cannot.
    """
    if not _NAME.fullmatch(name):
        raise SecretError(
            f'"{name}" cannot be the name of a secret: use letters, digits and _ - . @, at most 100'
        )
    return name


def asked(keyring: Keyring, service: str, name: str) -> str | None:
    """What a keyring holds, or None.

    Raises:
        SecretError: It does not say.
    """
    try:
        return keyring.get_password(service, name)
    except _refusals() as error:
        # Only the kind: what a keyring says is not ours to judge.
        raise SecretError(
            f'the system\'s keyring does not give "{name}": {type(error).__name__} (is it locked?)'
        ) from None


def put(keyring: Keyring, service: str, name: str, value: str) -> None:
    """Has a keyring hold a secret.

    Raises:
        SecretError: It refuses.
    """
    try:
        keyring.set_password(service, name, value)
    except _refusals() as error:
        raise SecretError(f"the system's keyring refuses: {type(error).__name__}") from None


def forget(keyring: Keyring, service: str, name: str) -> None:
    """Has a keyring forget a secret.

    Raises:
        SecretError: It refuses.
    """
    try:
        keyring.delete_password(service, name)
    except _refusals() as error:
        raise SecretError(f"the system's keyring refuses: {type(error).__name__}") from None


def _refusals() -> tuple[type[Exception], ...]:
    """What a keyring raises: errors of its library, and those of the bus behind it."""
    errors = import_module("keyring.errors")
    return errors.KeyringError, RuntimeError, OSError, ValueError


def _title(keyring: Keyring) -> str:
    return str(getattr(keyring, "name", type(keyring).__name__))


def _listed(directory: Path) -> list[str]:
    with suppress(OSError):
        return [path.name for path in directory.iterdir() if _NAME.fullmatch(path.name)]
    return []


def _write(path: Path, text: str) -> None:
    """Writes a file for its owner only, in one step."""
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
