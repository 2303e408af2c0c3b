"""Which token goes to a listener, where it came from, and the one that is kept.

Called by `callmux.cli.bridge` and `callmux.cli.destination`; `keep_token` by whatever command is given a
token to keep. In this order: `CALLMUX_TOKEN`, `--token`, `--token-file`, the kept token
`~/.config/callmux/cli-token`. Beside it, `cli-token.origin` says which listener the kept token belongs to: it
is sent to no other. callmux (npm) writes no such file; its token goes to listeners of this machine only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from callmux.bridge.endpoint import Endpoint
from callmux.errors import UsageError
from callmux.text import BOM, NotText, text_of

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700


class Token(NamedTuple):
    """A token.

    Attributes:
        value: The secret.
        source: Where it came from, for messages.
    """

    value: str
    source: str

    def __repr__(self) -> str:
        return f"Token(from {self.source})"


def token_path(home: Path) -> Path:
    """Where the token is kept; its owner stands beside it, as `cli-token.origin`."""
    return home / ".config" / "callmux" / "cli-token"


def find_token(
    endpoint: Endpoint, env: Mapping[str, str], home: Path, token: str | None, token_file: str | None
) -> Token | None:
    """The token for a listener; None for none.

    Args:
        endpoint: Where it would go.
        token: `--token`.
        token_file: `--token-file`.

    Raises:
        UsageError: The file that was named holds none.
    """
    if value := env.get("CALLMUX_TOKEN", "").strip():
        return Token(_sendable(value, "CALLMUX_TOKEN"), "CALLMUX_TOKEN")
    given = given_token(token, token_file)
    if given is not None:
        return given
    kept = token_path(home)
    source = f"the managed store {kept}"
    value = _read(kept, source) or ""
    if not value or not _belongs(kept, endpoint):
        return None
    return Token(_sendable(value, source), source)


def given_token(token: str | None, token_file: str | None) -> Token | None:
    """The token of a command line; None where it names none.

    Raises:
        UsageError: The file that was named holds none.
    """
    if token is not None and (value := token.strip()):
        return Token(_sendable(value, "--token"), "--token")
    if token_file is None:
        return None
    source = f'--token-file "{token_file}"'
    found = _read(Path(token_file), source)
    if not found:
        why = "it does not exist" if found is None else "it is empty"
        raise UsageError(f"{source} did not contain a non-empty token: {why}")
    return Token(_sendable(found, source), source)


def kept_for(home: Path) -> str | None:
    """The origin that the kept token belongs to; None where none is kept, or nobody knows for whom."""
    kept = token_path(home)
    return _owner(kept) or None if kept.exists() else None


def keep_token(home: Path, endpoint: Endpoint, value: str) -> Path:
    """Keeps a token for a listener, in place of any other. Gives the file.

    At no moment does a token stand beside the origin of another, nor can anybody else read it.

    Raises:
        UsageError: It cannot be written.
    """
    kept = token_path(home)
    try:
        kept.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        _write(kept.with_name("cli-token.origin"), endpoint.origin)
        _write(kept, value)
    except OSError as error:
        raise UsageError(f"the token cannot be kept in {kept}: {error.strerror or error}") from None
    return kept


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")


def _belongs(kept: Path, endpoint: Endpoint) -> bool:
    origin = _owner(kept)
    return endpoint.is_loopback if origin is None else origin == endpoint.origin


def _owner(kept: Path) -> str | None:
    owner = kept.with_name("cli-token.origin")
    origin = _read(owner, str(owner))
    return None if origin is None else origin.rstrip("/")


def _read(path: Path, source: str) -> str | None:
    """The trimmed text of a file; None where it is not there.

    Raises:
        UsageError: It is there and cannot be read.
    """
    try:
        return text_of(path.read_bytes(), path).removeprefix(BOM).strip()
    except FileNotFoundError:
        return None
    except (OSError, NotText) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{source} cannot be read: {reason}") from None


def _sendable(value: str, source: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"the token of {source} has characters that a header cannot have")
    return value
