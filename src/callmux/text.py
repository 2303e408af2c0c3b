"""Text from bytes that somebody else wrote: UTF-8, or a refusal that says where it is none. Pure.

Called by everything that reads text which people or other programs have written: configurations, files of
clients and services, secrets, environment files, file references, what is piped in, words of a command line.
Nothing is replaced in silence: `caf\\xe9` is somebody's path or password, and would be another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from callmux.errors import CallmuxError, UsageError

BOM = "\ufeff"
"""What some editors put before a text; whoever reads it as JSON, YAML or TOML leaves it out."""

_WIDE = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
"""Colours, titles and what else terminals do on command."""
_SURROGATES = range(0xDC80, 0xDD00)


class NotText(CallmuxError):
    """Bytes that are no UTF-8; the message names the file, the line, the column and the byte."""

    code = "not_utf8"


def text_of(data: bytes, name: object) -> str:
    """The text that `data` is; a byte order mark stays in front.

    Args:
        name: What it is called in messages: mostly a path.

    Raises:
        NotText: It is no UTF-8.
    """
    kind = next((kind for mark, kind in _WIDE.items() if data.startswith(mark)), None)
    # Without a mark, every other byte of plain words is zero.
    if kind is None and len(data) % 2 == 0 and b"\0\0" in (data[:4:2], data[1:4:2]) and data.strip(b"\0"):
        kind = "UTF-16"
    if kind is not None:
        raise NotText(f"{name} is {kind} text, not UTF-8: save it as UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at = error.start
    before = data[:at]
    line, column = before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode()) + 1
    raise NotText(f"{name}:{line}:{column}: byte {at} is not UTF-8 text: save it as UTF-8")


def visible(text: str) -> str:
    """One line for people: nothing in it moves the cursor, hides what follows or begins a line of its own."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def quiet(text: str) -> str:
    """A line that another program wrote, as `visible`; its colours are left out and not shown as letters."""
    return text if text.isprintable() else visible(SEQUENCE.sub("", text).replace("\t", "    "))


def check_words(words: Sequence[str]) -> None:
    """Refuses a command line with a word that was no UTF-8; Python hands such bytes on in disguise.

    Raises:
        UsageError: There is one.
    """
    for number, word in enumerate(words, 1):
        if not word.isascii() and (at := _hidden_byte(word)) is not None:
            raise UsageError(
                f"word {number} of the command line is not UTF-8 text at byte {at}: write it in UTF-8"
            )


def check_variable(value: str, name: str) -> str:
    """The value of an environment variable that is put into a text.

    Raises:
        NotText: It was no UTF-8.
    """
    if not value.isascii() and (at := _hidden_byte(value)) is not None:
        raise NotText(f'the environment variable "{name}" is not UTF-8 text at byte {at}')
    return value


def _hidden_byte(word: str) -> int | None:
    """Where the first byte stands that was no UTF-8."""
    at = next((n for n, character in enumerate(word) if ord(character) in _SURROGATES), None)
    return None if at is None else len(word[:at].encode("utf-8", "surrogatepass"))
