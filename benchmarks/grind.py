"""A process under callgrind: how many instructions it takes for something, and in which C functions.

Used by `instructions.py`. Callgrind is told by `vgdb` when to begin, and to write down what it has counted:
only the part in question is measured, and a start that is not measured takes a third of the time.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

SECONDS = 240


class Count(NamedTuple):
    """What was counted.

    Attributes:
        total: Instructions in user space.
        functions: The same by C function, callees not included.
    """

    total: int
    functions: Counter[str]


def missing() -> str | None:
    """Which program is not there; None where all are."""
    return next((name for name in ("valgrind", "vgdb") if shutil.which(name) is None), None)


class Grind:
    """One process under callgrind.

    Args:
        folder: Where callgrind writes; one process at a time uses it.
        at_start: Counts from the first instruction on.
    """

    def __init__(self, folder: Path, at_start: bool = False) -> None:
        self._folder = folder
        self._at_start = at_start
        self._dumps = 0
        self._pid = 0

    def wrap(self, words: list[str]) -> list[str]:
        """The command that runs `words` under callgrind."""
        return [
            "valgrind",
            "--tool=callgrind",
            f"--instr-atstart={'yes' if self._at_start else 'no'}",
            f"--callgrind-out-file={self._folder / 'out'}",
            f"--log-file={self._folder / 'log'}",
            f"--vgdb-prefix={self._folder / 'vgdb'}",
            "--trace-children=no",
            *words,
        ]

    def begin(self, pid: int) -> None:
        """Counts from here on."""
        self._pid = pid
        if not self._at_start:
            self._tell("instrumentation on")

    def count(self) -> Count:
        """What was counted since the last time."""
        self._tell("dump counted")
        self._dumps += 1
        return parse((self._folder / f"out.{self._dumps}").read_text("utf-8", "replace"))

    def _tell(self, command: str) -> None:
        words = ["vgdb", f"--vgdb-prefix={self._folder / 'vgdb'}", f"--pid={self._pid}", "--max-invoke-ms=20"]
        done = subprocess.run([*words, *command.split()], capture_output=True, text=True, timeout=SECONDS)
        if done.returncode:
            raise RuntimeError(f"vgdb {command}: {done.stderr.strip()} (may this machine trace processes?)")


def parse(text: str) -> Count:
    """The counts in a file of callgrind."""
    names: dict[str, str] = {}
    functions: Counter[str] = Counter()
    function = ""
    callee = False
    for line in text.splitlines():
        first = line[:1]
        if first.isdigit() or first in "+-*":
            if callee:
                callee = False  # what the called function took, which has lines of its own
            elif len(parts := line.split()) == 2:
                functions[function] += int(parts[1])
        elif line.startswith(("fn=", "cfn=")):
            found = re.match(r"c?fn=\((\d+)\)(?: (.*))?", line)
            assert found is not None, line
            if found[2]:
                # A function that calls itself has a number after its name.
                names[found[1]] = re.sub(r"'\d+$", "", found[2])
            if line.startswith("fn="):
                function = names[found[1]]
        elif line.startswith("calls="):
            callee = True
    return Count(sum(functions.values()), functions)
