"""What stands behind the name in `callmux server add NAME`, and advice where it cannot be understood. Pure.

Called by `callmux.cli.server` and `callmux.cli.server_edit`. People write `NAME URL`, `NAME -- COMMAND` and
`NAME JSON`, and forget the `--`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from callmux.cli.parsing import Given, refusal
from callmux.errors import UsageError

_URL = re.compile(r"https?://", re.IGNORECASE)


def target(given: Given) -> tuple[dict[str, Any] | None, str | None]:
    """The entry that was given as JSON, or the URL that was given as a word; both None for neither.

    Raises:
        UsageError: What stands behind the name is neither, or the command after `--` is one word with blanks.
    """
    word, rest = given.word(1), given.rest
    if rest and len(rest) == 1 and re.search(r"\s", rest[0].strip()) and "/" not in rest[0].split()[0]:
        words = _split(rest[0])
        raise refusal(
            given.command,
            f'"{rest[0]}" is one word. Take the quotes off: {_line(given, words)}',
        )
    if word is None:
        return None, None
    if rest is not None:
        raise refusal(given.command, f'"{word}" stands before the --: the whole command goes behind it')
    if _URL.match(word):
        return None, word
    if word.lstrip().startswith("{"):
        return _entry(given, word), None
    raise refusal(given.command, f"the command goes after --: {_line(given, given.words[1:])}")


def _entry(given: Given, text: str) -> dict[str, Any]:
    """The entry in a text that begins as a JSON object does."""
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise refusal(given.command, f"the entry is not valid JSON ({error})") from None
    # People copy a whole file from a server's README, or one entry with its name.
    for key in ("mcpServers", "servers"):
        if isinstance(found.get(key), dict):
            found = found[key]
    if not {"command", "url"} & found.keys() and len(found) == 1:
        (inner,) = found.values()
        found = inner if isinstance(inner, dict) else found
    return found


def with_advice(error: UsageError, verb: str, args: Sequence[str]) -> UsageError:
    """The error for a command line of `server VERB` without `--`, with the way it was probably meant."""
    words = list(args)
    if "--" in words or len(words) < 2 or words[0].startswith("-"):
        return error
    name, *rest = words
    if rest[0].startswith("-") or _URL.match(rest[0]):
        return error
    advice = f"The command of a server goes after --: callmux server {verb} {shlex.join([name, '--', *rest])}"
    return UsageError(f"{advice}\n({error.message})")


def _line(given: Given, words: Sequence[str]) -> str:
    return f"callmux {given.command.name} {shlex.join([given.words[0], '--', *words])}"


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
