"""References to secrets in values of a server: `env:NAME`, `file:PATH`, `keyring:NAME`, `cmd:COMMAND`. Pure.

Called by `callmux.config.variables` when a configuration is read, and by `callmux.daemon.variables`,
`callmux.doctor.checks` and `callmux.setup.servers`. A reference is a whole value, or stands inside of one as
`${keyring:NAME}` or `${cmd:COMMAND}`. Only what the file itself says is recognised, never what a variable was
filled in with. `callmux.secrets.resolving` finds the values when a server is connected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import TypeAlias, TypeGuard

import msgspec

SCHEMES = ("env", "file", "keyring", "cmd")
REFERENCES = "env:<NAME> or file:<PATH>, or keyring:<NAME> or cmd:<COMMAND>"
LITERAL = "literal:"
"""Before a text that would be a reference, and is none."""
_LITERALS = tuple(f"{LITERAL}{scheme}:" for scheme in (*SCHEMES, "literal"))

# Compiled where one is needed first: most values are plain, and every start would pay for it.
_INSIDE = r"(\$?)\$\{(keyring|cmd):([^}]+)\}"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLAIN_FILES = r"(?s)//|:|[^?#]*[?#]|.*\.(?:db3?|sqlite3?|duckdb|tgz|tar\.gz|whl)$|(?:.*/)?\.{0,2}/?$"
"""Addresses of databases, packages and directories, such as `file:dev.db`, `file:app.tgz` or `file:..`."""


class Reference(msgspec.Struct, frozen=True):
    """Where a value stands.

    Attributes:
        scheme: `env`, `file`, `keyring` or `cmd`.
        rest: A name, a path, or a command.
    """

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Template: TypeAlias = tuple[str | Reference, ...]
"""Texts and references, in turns, that make one value."""


def reference_of(text: str, variables: Container[str] = ()) -> Reference | None:
    """The reference that a whole value is; None for any other text.

    Files for other programs have values such as `env:production` or `file:dev.db`, which mean themselves: a
    name with small letters is a variable only where there is one of that name, and an address of a
    database or a package is no file of a secret.

    Args:
        variables: The names of the variables that there are.
    """
    scheme, _, rest = text.partition(":")
    if scheme not in SCHEMES or not rest or rest[0].isspace():
        return None
    if scheme == "env":
        usual = re.fullmatch(_NAME, rest) and (rest.isupper() or rest in variables)
        return Reference(scheme, rest) if usual else None
    if scheme == "file" and re.match(_PLAIN_FILES, rest):
        return None
    return Reference(scheme, rest.strip())


def is_variable(part: str | Reference) -> TypeGuard[Reference]:
    """Whether it is the reference to a variable."""
    return isinstance(part, Reference) and part.scheme == "env"


def written(text: str) -> str:
    """The text as a configuration must have it so that it means itself, whatever variables there will be."""
    special = reference_of(text, (text.removeprefix("env:"),)) is not None or text.startswith(_LITERALS)
    return f"{LITERAL}{text}" if special else text


def literal(text: str) -> str:
    """A text without the mark that says that it is no reference."""
    return text[len(LITERAL) :] if text.startswith(_LITERALS) else text


def template_of(
    text: str, variables: Container[str] = (), fill: Callable[[str], str] = lambda text: text
) -> Template | None:
    """The parts of a value that has references; None where it has none.

    Args:
        variables: The names of the variables that there are.
        fill: Fills in variables, in texts and in the path of a file. Commands and names have none.
    """
    if (whole := reference_of(text, variables)) is not None:
        return (Reference("file", fill(whole.rest)) if whole.scheme == "file" else whole,)
    if "${" not in text or text.startswith(_LITERALS):
        return None
    found = list(re.finditer(_INSIDE, text))
    if all(match[1] for match in found):
        return None
    parts: list[str | Reference] = []
    at = 0
    for match in found:
        parts.append(fill(text[at : match.start()]))
        parts.append(match[0][1:] if match[1] else Reference(match[2], match[3].strip()))
        at = match.end()
    parts.append(fill(text[at:]))
    return tuple(part for part in parts if part != "")
