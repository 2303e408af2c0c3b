"""A file that lines are appended to, for ever: rotated by size, or by somebody else.

Written by `callmux.observe.audit`. Before each write
it is checked that the path still means the open file, so that `logrotate` and the like need send no signal,
and so that two processes may write to one file while one hands over to the other. The file is the user's
alone (0600).

A file that cannot be written, such as on a full disk, loses lines and fails nothing: it is said once, and
once more when lines can be written again.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class LogFile:
    """One file.

    Args:
        path: Where it is; its directory is made where it is missing.
        most_bytes: From which size on another one is begun; 0 for never.
        kept: How many earlier ones are kept, as `PATH.1`, `PATH.2` and so on.
        say: Told in words when writing begins to fail, and when it works again.

    Attributes:
        problem: Why it cannot be written now; None while it can.
        lost: How many lines could not be written.
    """

    def __init__(self, path: Path, most_bytes: int, kept: int, say: Callable[[str], None]) -> None:
        self._path = path
        self._most = most_bytes
        self._kept = kept
        self._say = say
        self._file: int | None = None
        self._is_cut = False
        self.problem: str | None = None
        self.lost = self._told = 0

    def __repr__(self) -> str:
        return f"LogFile({str(self._path)!r})"

    def append(self, lines: bytes) -> None:
        """Writes whole lines; never raises."""
        try:
            self._append(lines)
        except OSError as error:
            why = error.strerror or str(error)
            if self.problem is None:
                self._say(f"{self._path} cannot be written, and loses lines until it can: {why}")
            self.problem = why
            self.lost += lines.count(b"\n")
            self.close()
            return
        if self.problem is not None:
            lost, self._told = self.lost - self._told, self.lost
            self.problem = None
            self._say(f"{self._path} can be written again; lines lost: {lost}")

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None

    def _append(self, lines: bytes) -> None:
        file = self._current(len(lines))
        if self._is_cut:
            # A full disk took half a line.
            lines = b"\n" + lines
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(file, view) :]
        finally:
            self._is_cut = 0 < len(view) < len(lines) or (self._is_cut and len(view) == len(lines))

    def _current(self, more: int) -> int:
        """The open file, with room for `more` bytes."""
        if self._file is not None and not self._is_there(self._file):
            self.close()
        if self._file is None:
            self._file = self._open()
        about = os.fstat(self._file)
        if self._most and about.st_size and about.st_size + more > self._most and stat.S_ISREG(about.st_mode):
            self._rotate(self._file)
            self.close()
            self._file = self._open()
        return self._file

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            return os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o600)

    def _is_there(self, file: int) -> bool:
        """Whether the path still means this file."""
        try:
            return os.path.samestat(os.fstat(file), os.stat(self._path))
        except FileNotFoundError:
            return False

    def _rotate(self, file: int) -> None:
        """Moves the file out of the way, unless another process has just done so."""
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        if not self._is_there(file):
            return
        if not self._kept:
            os.unlink(self._path)
            return
        for n in range(self._kept - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._numbered(n), self._numbered(n + 1))
        os.replace(self._path, self._numbered(1))

    def _numbered(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}")
