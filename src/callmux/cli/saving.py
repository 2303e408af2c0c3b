"""Writes configuration files so that no reader ever sees half of one, and nobody else reads them.

Called by `callmux.cli.init` and, later, by the commands that edit servers.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from callmux.cli.console import pretty_json
from callmux.errors import CallmuxError

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700


class SaveFailed(CallmuxError):
    """A file that could not be written; the old one is still there."""

    code = "save_failed"


def save_json(path: Path, document: object, *, backup: bool = True) -> None:
    """Writes `document` to `path` in one step, readable by its owner only.

    A file that was there before goes to `<path>.bak`. Where `path` is a symbolic link, the file it leads to
    is replaced and the link stays.

    Raises:
        SaveFailed: It could not be written.
    """
    data = pretty_json(document).encode() + b"\n"
    try:
        if backup and path.exists():
            old = path.read_bytes()
            _replace(path.with_name(f"{path.name}.bak"), old)
        _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise SaveFailed(f'cannot write "{path}": {error.strerror or error}') from None


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, target)
    finally:
        # Gone already, unless something went wrong.
        temporary.unlink(missing_ok=True)
