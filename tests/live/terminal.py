"""A command of callmux on a terminal, and somebody who types there."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support import SECONDS


class Terminal:
    """A command on a terminal of 80 columns; its stdout is a pipe unless `whole`.

    Attributes:
        shown: What it has shown there.
    """

    def __init__(self, env: Mapping[str, str], cwd: Path, *words: str, whole: bool = False) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "callmux", *words],
            stdin=slave,
            stderr=slave,
            stdout=slave if whole else subprocess.PIPE,
            env=env,
            cwd=cwd,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 4096):
                self.shown += data.decode(errors="replace")

    def types(self, line: str, after: str) -> None:
        """Types a line once something is shown."""
        end = time.monotonic() + SECONDS
        while after not in self.shown:
            assert time.monotonic() < end, f"{after!r} was not shown: {self.shown!r}"
            assert self.process.poll() is None, self.shown
            time.sleep(0.02)
        os.write(self.master, line.encode() + b"\n")

    def ends(self) -> tuple[int, str]:
        """Its exit code, and what it wrote to its pipe."""
        out, _ = self.process.communicate(timeout=SECONDS)
        self._reader.join(SECONDS)
        os.close(self.master)
        return self.process.returncode, (out or b"").decode()
