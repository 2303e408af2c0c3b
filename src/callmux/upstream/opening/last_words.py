"""Which line of what a server wrote to its stderr says what is wrong. Pure.

Called by `callmux.upstream.opening.attempt` for the log and for status, and by `callmux.upstream.probe` for
`doctor`, `server test` and setup. Programs bury the line: Node prints its version last, npm the place of its
log file, docker a hint, Python the line itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from callmux.text import SEQUENCE

SHOWN_LINES = 10
"""How many of the last lines are shown below a reason."""
LONGEST = 300
"""Characters of a line within a reason."""

_CONTROLS = re.compile(rf"{SEQUENCE.pattern}|[\x00-\x08\x0b-\x1f\x7f]")
_TRACEBACK = "Traceback (most recent call last):"
_NPM = re.compile(r"npm (?:error|ERR!) (.*)")
_DOCKER = re.compile(r"(?:docker|podman|Error response from daemon|Cannot connect to the Docker daemon)\b.*")
_EXCEPTION = re.compile(
    r"(?:Uncaught |Unhandled |Exception in thread \S+ )?(?:[\w$.]+\.)?[A-Z]?\w*(?:Error|Exception|Exit)\b"
    r"(?: \[\w+\])?(?::|$)|thread '.*' panicked|panic: |PHP Fatal error"
)
_ERROR = re.compile(
    r"\W*(?:fatal|panic|error|critical|err!|×)(?![\w-])|.*\b(?:fatal|error): |.*: (?:command )?not found$",
    re.I,
)
_HINT = re.compile(
    r".*\b(?:failed|cannot|can't|could not|couldn't|unable to|invalid|missing|required|denied|refused"
    r"|not found|no such|is not set|is not a|unknown|unsupported|must|expired|unauthorized)\b",
    re.I,
)
_TAIL = re.compile(
    r"Node\.js v\d|Bun v\d|npm (?:error|ERR!)\s+(?:A complete log|\S*debug-\d+\.log)|(?:Run|See) '.*--help'"
    r"|For more (?:information|help)|(?:help|hint|note|usage|tip):|error: script .* exited|[\W_]*$",
    re.IGNORECASE,
)


def plain(lines: Iterable[str]) -> list[str]:
    """The lines without colours and other control sequences, and without blank ones."""
    found = (_CONTROLS.sub("", line).rstrip() for line in lines)
    return [line for line in found if line.strip()]


def telling_line(lines: Iterable[str]) -> str:
    """The line that says what is wrong, of the last lines of a stderr; empty where there are none."""
    lines = plain(lines)
    for find in (_python, _npm, _docker, _exception, _error, _hint, _last):
        if line := find(lines):
            return line.strip() if len(line) <= LONGEST else f"{line.strip()[:LONGEST]}..."
    return ""


def with_words(cause: str, lines: Iterable[str]) -> str:
    """A reason with what the server said."""
    said = telling_line(lines)
    return f"{cause} (it said: {said})" if said else cause


def _python(lines: Sequence[str]) -> str:
    """What comes after the last traceback's frames."""
    starts = [n for n, line in enumerate(lines) if line.strip() == _TRACEBACK]
    if not starts:
        return ""
    indent = lines[starts[-1]].index("T")
    return next((line for line in lines[starts[-1] + 1 :] if line[: indent + 1].strip()), "")


def _npm(lines: Sequence[str]) -> str:
    """The code, and the first line that explains it."""
    said = [match[1].strip() for line in lines if (match := _NPM.match(line)) and not _TAIL.match(line)]
    if not said:
        return ""
    code = next((words for words in said if words.startswith("code ")), None)
    others = [re.sub(r"^(?:E?[A-Z0-9]{3,} )", "", words) for words in said if words != code]
    told = next((words for words in others if words and not words.startswith(("errno ", "syscall "))), "")
    if code is None:
        return f"npm error {told}"
    return f"npm error {code}: {told}" if told else f"npm error {code}"


def _docker(lines: Sequence[str]) -> str:
    return next((line for line in lines if _DOCKER.match(line) and not _TAIL.match(line)), "")


def _exception(lines: Sequence[str]) -> str:
    """The last one that is not the cause of another: Node indents those."""
    found = [n for n, line in enumerate(lines) if _EXCEPTION.match(line)]
    if not found:
        return ""
    line = lines[found[-1]]
    following = lines[found[-1] + 1] if found[-1] + 1 < len(lines) else ""
    return f"{line} {following.strip()}" if line.endswith(":") and following else line


def _error(lines: Sequence[str]) -> str:
    return next((line for line in lines if _ERROR.match(line) and not _TAIL.match(line)), "")


def _hint(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if _HINT.match(line) and not _TAIL.match(line)), "")


def _last(lines: Sequence[str]) -> str:
    return next((line for line in reversed(lines) if not _TAIL.match(line)), lines[-1] if lines else "")
