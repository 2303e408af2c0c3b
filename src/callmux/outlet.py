"""A descriptor that somebody else may be slow to read, or never reads: a thread writes to it.

Used by `callmux.cli.stderr` and `callmux.transport.file_writer`. Neither a full pipe, a stopped terminal nor
a file system that hangs holds up who writes; what waits is counted, and its owner decides how much that may
be. (Making the descriptor non-blocking would change it for every process that shares it.)
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable


class Outlet:
    """One descriptor.

    Args:
        descriptor: Where to write. It is not closed.
        written: Called in the thread after each write, and when writing has become impossible.

    Attributes:
        size: Bytes that wait or are being written.
        broken: Nobody will ever read it: what is written is thrown away.
    """

    def __init__(self, descriptor: int, written: Callable[[], None] = lambda: None) -> None:
        self._descriptor = descriptor
        self._written = written
        # Reentrant, as conditions are by default: a finalizer may write in the middle of a write.
        self._changed = threading.Condition()
        self._waiting: list[bytes] = []
        self._thread: threading.Thread | None = None
        self._closed = False
        self.size = 0
        self.broken = False

    def __repr__(self) -> str:
        return f"Outlet({self._descriptor}, {self.size} bytes wait{', broken' if self.broken else ''})"

    def write(self, data: bytes) -> None:
        """Has `data` written; never waits. From any thread."""
        with self._changed:
            if self.broken or self._closed:
                return
            self._waiting.append(data)
            self.size += len(data)
            if self._thread is None:
                # Started late: most processes of a command never write anything here.
                self._thread = threading.Thread(target=self._work, name="outlet", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Waits until everything is written, at most `seconds`; whether it is."""
        end = time.monotonic() + seconds
        with self._changed:
            while self.size and not self.broken and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self.size

    def close(self) -> None:
        """Takes nothing more; the thread ends once everything is written."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._write(memoryview(data))
            except OSError:
                self.broken = True
            with self._changed:
                self.size -= len(data)
                if self.broken:
                    self._waiting.clear()
                    self.size = 0
                self._changed.notify_all()
            self._written()

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._waiting:
                if self._closed or self.broken:
                    return None
                self._changed.wait()
            data = b"".join(self._waiting)
            self._waiting.clear()
            return data

    def _write(self, view: memoryview) -> None:
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                # Another process that shares it does not want to wait there.
                select.select((), (self._descriptor,), ())
