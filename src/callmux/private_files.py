"""Files of our own that change as a whole: no reader ever sees half of one, and nobody else reads them.

Called by `callmux.management.changes` and `callmux.observe.history_file`; `callmux.cli.saving` takes its turn
here, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Puts `data` in the place of what `path` leads to; the new file is for its owner only (0600).

    Raises:
        OSError: It could not be written; what was there before is still there.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    from tempfile import mkstemp

    descriptor, beside = mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        # Gone already, unless something went wrong.
        Path(beside).unlink(missing_ok=True)


@contextmanager
def turn(directory: Path) -> Iterator[None]:
    """One callmux process at a time edits in a directory.

    Raises:
        OSError: The directory cannot be read.
    """
    try:
        import fcntl
    except ImportError:
        # Windows: files are replaced as a whole, and the last one wins.
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some network file systems have no locks.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
