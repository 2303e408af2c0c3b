"""The key that seals session ids: one file, readable by its owner only, shared by every process of one user.

Called by `callmux.cli.listen`. Where it cannot be kept, ids are sealed with a key of this process alone, and
sessions do not survive it.
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

log = logging.getLogger(__name__)

KEY_BYTES = 32


def session_key(directory: Path) -> bytes:
    """The key in `directory`; makes both where they are not there yet."""
    path = directory / "session.key"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
            if len(key) == KEY_BYTES:
                return key
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        key = secrets.token_bytes(KEY_BYTES)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
    except OSError as error:
        log.warning("sessions will not survive a restart: %s cannot be kept (%s)", path, error)
        return secrets.token_bytes(KEY_BYTES)
    return key
