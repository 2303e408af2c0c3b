"""stderr that holds nobody up: what does not fit while nobody reads it is dropped and counted.

Put in the place of `sys.stderr` by `callmux.cli.process` in every long-running mode, so that the log, what
servers print, warnings and tracebacks all take this way. Many clients start us with a pipe there and never
read it: a pipe takes 64 KB, then a plain write waits for ever.
"""

from __future__ import annotations

import io
import threading

from callmux.outlet import Outlet

MOST_BYTES = 1024 * 1024
"""What waits for a reader."""


class Stderr(io.TextIOBase):
    """A text stream in front of an outlet.

    Args:
        descriptor: Where to write.
        most: Bytes that may wait.

    Attributes:
        outlet: What writes.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, descriptor: int = 2, most: int = MOST_BYTES) -> None:
        self._descriptor = descriptor
        self._most = most
        self._lock = threading.RLock()
        self._begun = ""
        self._dropped = 0
        self.outlet = Outlet(descriptor, self._say)

    def write(self, text: str) -> int:
        """Takes text; whole lines go out at once. Never waits."""
        with self._lock:
            whole, end, rest = (self._begun + text).rpartition("\n")
            self._begun = rest
            if end:
                self._send(whole + end)
        return len(text)

    def flush(self) -> None:
        """Lets a line that has no end yet go out."""
        with self._lock:
            if self._begun:
                self._send(self._begun)
                self._begun = ""

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def finish(self, seconds: float) -> None:
        """Waits until everything is written, at most `seconds`."""
        self.flush()
        self.outlet.flush(seconds)

    def _send(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        # Once something is dropped, so is everything until that has been said: the order stays true.
        if self._dropped or self.outlet.size + len(data) > self._most:
            self._dropped += text.count("\n") or 1
        else:
            self.outlet.write(data)

    def _say(self) -> None:
        """Something was written: tells what was not."""
        with self._lock:
            if self._dropped and self.outlet.size <= self._most // 2:
                lines, self._dropped = self._dropped, 0
                what = "1 line was" if lines == 1 else f"{lines} lines were"
                self.outlet.write(b"[callmux] %b dropped here: nobody read stderr\n" % what.encode())
