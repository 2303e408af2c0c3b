"""Shows who is awaited, for how long, and what each server said last, while servers are asked for tools.

Called by `doctor`, `server test`, `server add` and `setup`. Everything goes to stderr: a terminal gets a line
that moves for each server that is awaited (`rich` is loaded for it then), anything else a plain line for each
result, and one now and then for a server that takes long.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from callmux.doctor.checks import Progress
from callmux.text import visible
from callmux.upstream.opening.last_words import plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

REPEAT_SECONDS = 10.0
"""How often a plain line says that a server is still awaited."""
NARROW = 79
"""Columns of a plain line."""
SHOWN_SERVERS = 8
"""How many servers that are awaited a terminal shows at a time."""


@contextmanager
def watching(total: int, *, quiet: bool = False, stream: TextIO | None = None) -> Iterator[Progress]:
    """Who to tell while `total` servers are asked.

    Args:
        quiet: Whether nobody wants to see it: the result is for a program.
        stream: In place of stderr.
    """
    stream = stream or sys.stderr
    if quiet or total == 0:
        yield Progress()
    elif stream.isatty() and os.environ.get("TERM") != "dumb":
        with _terminal(total, stream) as progress:
            yield progress
    else:
        yield _Plain(total, stream)


class _Waiting(Progress):
    """What both know: who is awaited since when, what it said last, and how many are done."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.since: dict[str, float] = {}
        self.said: dict[str, str] = {}

    def started(self, name: str) -> None:
        self.since[name] = time.monotonic()

    def heard(self, name: str, line: str) -> None:
        for text in plain([line]):
            self.said[name] = text.strip()

    def finished(self, name: str, result: str) -> None:
        self.done += 1
        self.since.pop(name, None)

    def result(self, name: str, result: str, width: int) -> str:
        place = f"[{self.done}/{self.total}] " if self.total > 1 else ""
        return cut(f"{place}{name}: {result}", width)

    def state(self, name: str) -> str:
        seconds = f"{time.monotonic() - self.since[name]:.0f} s"
        said = self.said.get(name)
        return f"{name}: {seconds}" + (f", {said}" if said else "")


def cut(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= width else f"{line[: width - 3]}..."


class _Plain(_Waiting):
    """Lines for a file or a pipe."""

    def __init__(self, total: int, stream: TextIO) -> None:
        super().__init__(total)
        self._stream = stream
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def started(self, name: str) -> None:
        super().started(name)
        self._again(name)

    def finished(self, name: str, result: str) -> None:
        super().finished(name, result)
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
        if self.total > 1:
            self._print(self.result(name, result, NARROW))

    def _again(self, name: str) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(REPEAT_SECONDS, self._tell, name)

    def _tell(self, name: str) -> None:
        self._print(cut(f"Waiting for {self.state(name)}", NARROW))
        self._again(name)

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


@contextmanager
def _terminal(total: int, stream: TextIO) -> Iterator[Progress]:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream, highlight=False)
    moving = _Moving(total, console.width)
    with Live(console=console, transient=True, refresh_per_second=8, get_renderable=moving.shown) as live:
        moving.live = live
        yield moving


class _Moving(_Waiting):
    """Lines that move on a terminal."""

    live: Live

    def __init__(self, total: int, width: int) -> None:
        super().__init__(total)
        self._width = width
        self._spinner: Any = None

    def finished(self, name: str, result: str) -> None:
        super().finished(name, result)
        if self.total == 1:
            # The result itself follows.
            return
        from rich.text import Text

        self.live.console.print(Text(self.result(name, result, self._width - 1)))

    def shown(self) -> RenderableType:
        """What is on the screen now; called by the thread that draws."""
        from rich.spinner import Spinner
        from rich.text import Text

        self._spinner = self._spinner or Spinner("line")
        names = list(self.since)
        lines = [self._state(name) for name in names[:SHOWN_SERVERS]]
        if len(names) > SHOWN_SERVERS:
            lines.append(f"and {len(names) - SHOWN_SERVERS} more")
        mark = self._spinner.render(time.monotonic())
        return Text("\n").join(Text(f"{mark} {cut(line, self._width - 3)}") for line in lines if line)

    def _state(self, name: str) -> str:
        try:
            return self.state(name)
        except KeyError:
            # It has just finished.
            return ""
