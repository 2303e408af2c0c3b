"""The files a configuration was made from, each as it was right before it was read.

Filled by `callmux.config.load`; looked at again and again by `callmux.process.file_watch`. What is noted
before the reading can never miss a change: at worst, a file that changed in that moment is read once more.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

Signature: TypeAlias = tuple[int, int, int] | None
"""What changes when a file does: its identity, size and time; None while it is not there."""


def signature(path: Path) -> Signature:
    """The signature of the file that `path` leads to, through symbolic links."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


class Sources:
    """The files of one reading.

    Attributes:
        noted: Each file with its signature from before it was read.
        document: What they say together, as it is written: references are not followed.
    """

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.noted: dict[Path, Signature] = {}

    def __repr__(self) -> str:
        return f"Sources({[str(path) for path in self.noted]})"

    def note(self, path: Path) -> None:
        """This file is about to be read. Noted again, what was noted first stands."""
        if path not in self.noted:
            self.noted[path] = signature(path)

    def now(self) -> dict[Path, Signature]:
        """The same files as they are now."""
        return {path: signature(path) for path in self.noted}
