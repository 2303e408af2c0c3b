"""Keeps history on disk: read at the start, written now and then, and at the end.

Made by `callmux.observe.chronicle`. A thread writes; a file that cannot be read or written is told of once.
Several processes may count for one file, as when a new one takes over: each adds what it has counted since
it read or wrote the file last.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import msgspec

from callmux.observe.history import History, joined, restored
from callmux.private_files import turn, write_private

log = logging.getLogger(__name__)

LARGEST = 16 * 1024 * 1024


class Unusable(Exception):
    """What stands in a file is no history."""


def read_history(path: Path, now: float) -> History:
    """What a file has kept; empty where there is none, or it cannot be used."""
    try:
        return _read(path, now)
    except FileNotFoundError:
        return History(now)
    except (OSError, Unusable) as error:
        log.warning("could not use %s, so the history of calls begins anew: %s", path, error)
        return History(now)


def _read(path: Path, now: float) -> History:
    if path.stat().st_size > LARGEST:
        raise Unusable("it is too large")
    try:
        history = restored(msgspec.json.decode(path.read_bytes()), now)
    except (ValueError, RecursionError) as error:
        raise Unusable(str(error)) from None
    if history is None:
        raise Unusable("it has another form")
    return history


class HistoryFile:
    """The file of one process.

    Args:
        path: Where.
        history: What is kept there, as it was read.

    Attributes:
        problem: Why it could not be written last; None where it was.
    """

    def __init__(self, path: Path, history: History) -> None:
        self._path = path
        self._history = history
        self.problem: str | None = None
        self._saved = history.changed
        self._before = history.dump()
        self._writing: threading.Thread | None = None

    def save(self) -> None:
        """Writes what has changed since the last time, in a thread; nothing where one is still at it."""
        changed = self._history.changed
        if changed == self._saved or (self._writing is not None and self._writing.is_alive()):
            return
        given = self._history.dump(), changed
        self._writing = threading.Thread(target=self._write, args=given, name="history", daemon=True)
        self._writing.start()

    def close(self, seconds: float) -> None:
        """Writes the rest; waits at most so long."""
        if self._writing is not None:
            self._writing.join(seconds)
        self.save()
        if self._writing is not None:
            self._writing.join(seconds)

    def _write(self, dump: dict[str, Any], changed: int) -> None:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with turn(self._path.parent):
                write_private(self._path, msgspec.json.encode(joined(self._there(), dump, self._before)))
        except OSError as error:
            if self.problem is None:
                log.error("could not keep the history of calls in %s: %s", self._path, error)
            self.problem = error.strerror or str(error)
        else:
            self._before, self._saved = dump, changed
            self.problem = None

    def _there(self) -> dict[str, Any]:
        """What the file holds; what this process knew before, where that is nothing any more."""
        try:
            return _read(self._path, 0).dump()
        except (FileNotFoundError, Unusable):
            return self._before
