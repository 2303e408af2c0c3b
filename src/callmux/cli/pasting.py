"""Takes what a person pastes at a terminal while something else is waited for.

Called by `callmux.cli.presenting`. No thread waits in a read that would swallow the next thing typed: the
terminal is read only while this is entered, and is then as it was. What is pasted is not shown, because it
holds a code, and may be longer than the 4,096 characters of a terminal's line.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from callmux.text import SEQUENCE

LONGEST = 128 * 1024
ERASE = "\x7f\x08"


class PastedLines:
    """Puts lines together out of what comes from a terminal or a pipe.

    Args:
        take: Gets each line that is not empty.
    """

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._text = ""

    def feed(self, data: bytes) -> None:
        """What came."""
        for letter in SEQUENCE.sub("", data.decode("utf-8", "replace")):
            if letter in "\r\n":
                line, self._text = self._text.strip(), ""
                if line:
                    self._take(line)
            elif letter in ERASE:
                self._text = self._text[:-1]
            elif len(self._text) < LONGEST:
                self._text += letter


@contextmanager
def pasted(take: Callable[[str], None], descriptor: int | None = None) -> Iterator[bool]:
    """While this is entered, each pasted line goes to `take`. Gives whether anything can be pasted.

    Args:
        take: Gets each line.
        descriptor: Where it comes from; stdin where absent.
    """
    if sys.platform == "win32":
        # Its event loop reads no terminal.
        yield False
        return
    loop = asyncio.get_running_loop()
    try:
        source = sys.stdin.fileno() if descriptor is None else descriptor
    except (OSError, ValueError, AttributeError):
        yield False
        return
    lines = PastedLines(take)

    def read() -> None:
        try:
            data = os.read(source, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            lines.feed(data)
        else:
            lines.feed(b"\n")
            loop.remove_reader(source)

    with _unshown(source):
        try:
            loop.add_reader(source, read)
        except (OSError, NotImplementedError, ValueError):
            # A file or /dev/null: nobody pastes there.
            yield False
            return
        try:
            yield True
        finally:
            loop.remove_reader(source)


@contextmanager
def _unshown(descriptor: int) -> Iterator[None]:
    """A terminal without echo and without its bound on a line; Ctrl-C works as before."""
    if not os.isatty(descriptor):
        yield
        return
    import termios

    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
