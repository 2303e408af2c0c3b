"""Files of `NAME=VALUE` lines, as `envFile` names them. Pure.

Called by `callmux.config.env_file`. Read is what editors and dotenv libraries write: comments, `export`,
values in single quotes or backquotes (as they stand) and in double quotes (with `\\n`, `\\"` and
the like), over several lines where quoted, and without quotes up to ` #`. Values are not expanded any
further.
"""

from __future__ import annotations

import re

from callmux.errors import SecretError

_LINE = re.compile(
    r"""[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*
    (?:'(?P<single>[^']*)'[ \t]*(?:\#[^\n]*)?
    |`(?P<back>[^`]*)`[ \t]*(?:\#[^\n]*)?
    |"(?P<double>(?:[^"\\]|\\.)*)"[ \t]*(?:\#[^\n]*)?
    |(?P<unquoted>[^\n'"`][^\n]*?|)(?:[ \t]+\#[^\n]*|[ \t]*))(?:\n|\Z)""",
    re.VERBOSE | re.DOTALL,
)
_BLANK = re.compile(r"[ \t]*(?:\#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def parse_dotenv(text: str) -> dict[str, str]:
    """The variables of a file; the last line of a name counts.

    Raises:
        SecretError: A line is none of these; the message names it and does not show it.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank is not None:
            at = blank.end()
            continue
        line = _LINE.match(text, at)
        if line is None:
            number = text.count("\n", 0, at) + 1
            raise SecretError(f"line {number} is neither NAME=VALUE nor a comment")
        found[line["name"]] = _value(line)
        at = line.end()
    return found


def _value(line: re.Match[str]) -> str:
    double = line["double"]
    if double is not None:
        return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), double, flags=re.DOTALL)
    for quoted in (line["single"], line["back"]):
        if quoted is not None:
            return quoted
    return line["unquoted"] or ""
