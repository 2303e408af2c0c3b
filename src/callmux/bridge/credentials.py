"""Which token goes to a listener, and where it came from.

Called by `callmux.cli.bridge`. In this order: `CALLMUX_TOKEN`, `--token`, `--token-file`, the kept token
`~/.config/callmux/cli-token`. Beside it, `cli-token.origin` may say which listener the kept token belongs to:
then it is sent to no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from callmux.bridge.endpoint import Endpoint
from callmux.errors import UsageError


class Token(msgspec.Struct, frozen=True):
    """A token.

    Attributes:
        value: The secret.
        source: Where it came from, for messages.
    """

    value: str
    source: str

    def __repr__(self) -> str:
        return f"Token(from {self.source})"


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
    if token is not None and (value := token.strip()):
        return Token(_sendable(value, "--token"), "--token")
    if token_file is not None:
        source = f'--token-file "{token_file}"'
        value = _read(Path(token_file), source) or ""
        if not value:
            raise UsageError(f"{source} did not contain a non-empty token")
        return Token(_sendable(value, source), source)
    kept = home / ".config" / "callmux" / "cli-token"
    source = f"the managed store {kept}"
    kept_value = _read(kept, source)
    if not kept_value or not _belongs(kept, endpoint):
        return None
    return Token(_sendable(kept_value, source), source)


def _belongs(kept: Path, endpoint: Endpoint) -> bool:
    owner = kept.with_name("cli-token.origin")
    origin = _read(owner, str(owner))
    return origin is None or origin.rstrip("/") == endpoint.origin


def _read(path: Path, source: str) -> str | None:
    """The trimmed text of a file; None where it is not there.

    Raises:
        UsageError: It is there and cannot be read.
    """
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source} cannot be read: {error}") from None


def _sendable(value: str, source: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise UsageError(f"the token of {source} holds characters that no header can carry")
    return value
