"""What a listener's sessions leave on disk when it is stopped, so that they go on where they were.

Called by `callmux.cli.listen`: saved at the end, taken up once at the next start on that port. After a crash
there is none; then sessions go on all the same, by their ids alone.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import msgspec

from callmux.session.legacy import Estate

log = logging.getLogger(__name__)


def save(directory: Path, port: int, estate: Estate) -> None:
    """Writes what the listener on `port` leaves, readable by its owner only."""
    if not estate.ended and not estate.legacies:
        return
    path = _path(directory, port)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A new file of mode 0600, so that what stands there is always whole.
        descriptor, beside = tempfile.mkstemp(dir=directory, prefix=path.name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(estate))
        os.replace(beside, path)
    except OSError as error:
        log.warning("%s cannot be written: sessions lose log levels and subscriptions (%s)", path, error)


def take(directory: Path, port: int) -> Estate:
    """What the last listener on `port` left; empty where it left nothing that can be read. Only once."""
    path = _path(directory, port)
    try:
        content = path.read_bytes()
        path.unlink()
        return msgspec.json.decode(content, type=Estate)
    except FileNotFoundError:
        return Estate()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("%s cannot be used: %s", path, error)
        return Estate()


def _path(directory: Path, port: int) -> Path:
    return directory / f"sessions-{port}.json"
