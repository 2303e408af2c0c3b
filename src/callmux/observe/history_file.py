"""Keeps history on disk: read at the start, written now and then, and at the end.

Made by `callmux.observe.chronicle`. A thread writes; a file that cannot be read or written is told of once.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import msgspec

from callmux.observe.history import History, restored
from callmux.private_files import write_private

log = logging.getLogger(__name__)

LARGEST = 16 * 1024 * 1024


def read_history(path: Path, now: float) -> History:
    """What a file has kept; empty where there is none, or it cannot be used."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        history = restored(msgspec.json.decode(path.read_bytes()), now)
        if history is not None:
            return history
        raise ValueError("it has another form")
    except FileNotFoundError:
        return History(now)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        log.warning("could not use %s, so the history of calls begins anew: %s", path, error)
        return History(now)


class HistoryFile:
    """The file of one process.

    Args:
        path: Where.

    Attributes:
        problem: Why it could not be written last; None where it was.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem: str | None = None
        self._saved = 0
        self._writing: threading.Thread | None = None

    def save(self, history: History) -> None:
        """Writes what has changed since the last time, in a thread; nothing where one is still at it."""
        if history.changed == self._saved or (self._writing is not None and self._writing.is_alive()):
            return
        self._saved = history.changed
        document = history.dump()
        self._writing = threading.Thread(target=self._write, args=(document,), name="history", daemon=True)
        self._writing.start()

    def close(self, history: History, seconds: float) -> None:
        """Writes the rest; waits at most so long."""
        if self._writing is not None:
            self._writing.join(seconds)
        self.save(history)
        if self._writing is not None:
            self._writing.join(seconds)

    def _write(self, document: dict[str, Any]) -> None:
        try:
            write_private(self._path, msgspec.json.encode(document))
        except OSError as error:
            if self.problem is None:
                log.error("could not keep the history of calls in %s: %s", self._path, error)
            self.problem = error.strerror or str(error)
        else:
            self.problem = None
