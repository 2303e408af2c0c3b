"""The system's keyring as the place for tokens of sign-ins.

Made by `callmux.cli.signing_in` and `callmux.process.sign_ins`, and handed to `callmux.stores.tokens`. A
keyring may wait for somebody to unlock it: each request to it has a bound.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from callmux.errors import SecretError
from callmux.secrets.vault import Keyring, asked, forget, put, system_keyring
from callmux.stores.tokens import SafeFailed

T = TypeVar("T")

SERVICE = "callmux sign-ins"
SECONDS = 20.0
"""How long a keyring may take: it may ask for a password."""


class KeyringSafe:
    """Tokens in the system's keyring.

    Args:
        keyring: That.
        seconds: How long each request may take.
    """

    def __init__(self, keyring: Keyring, seconds: float = SECONDS) -> None:
        self._keyring = keyring
        self._seconds = seconds

    def read(self, name: str) -> bytes | None:
        found = self._bounded(lambda: asked(self._keyring, SERVICE, name))
        return None if found is None else found.encode()

    def write(self, name: str, value: bytes) -> None:
        self._bounded(lambda: put(self._keyring, SERVICE, name, value.decode()))

    def remove(self, name: str) -> None:
        def work() -> None:
            if asked(self._keyring, SERVICE, name) is not None:
                forget(self._keyring, SERVICE, name)

        self._bounded(work)

    def _bounded(self, work: Callable[[], T]) -> T:
        """What `work` gives.

        Raises:
            SafeFailed: It gives nothing, or not in time.
        """
        outcome: list[T] = []
        failure: list[str] = []

        def run() -> None:
            try:
                outcome.append(work())
            except SecretError as error:
                failure.append(error.message)

        thread = threading.Thread(target=run, name="keyring", daemon=True)
        thread.start()
        thread.join(self._seconds)
        if outcome:
            return outcome[0]
        late = f"the system's keyring does not answer within {self._seconds:g} s (is it locked?)"
        raise SafeFailed(failure[0] if failure else late)


def keyring_safe(env: Mapping[str, str]) -> KeyringSafe | None:
    """The system's keyring for tokens; None where there is none that works."""
    keyring, _ = system_keyring(env)
    return None if keyring is None else KeyringSafe(keyring)
