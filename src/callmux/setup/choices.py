"""What was chosen in a setup, by flags or in the dialogue, and what is left of it once servers were asked.

Filled by `callmux.cli.setup` and `callmux.cli.wizard`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from callmux.clients.entry import Entry
from callmux.errors import UsageError
from callmux.setup.found import Found
from callmux.setup.plan import NewServer, Plan
from callmux.setup.probing import Answer


@dataclass(slots=True, kw_only=True)
class Choices:
    """What was chosen, by flags or in the dialogue.

    Attributes:
        moved: Servers to move.
        added: Servers to add.
        credentials: Credentials that were typed in: path of the file and value.
        clients: Clients that get callmux.
        listener: The address of the shared listener; None for a process a session.
        daemon: Run the listener as a service.
        cache_seconds: None leaves the setting as it is.
        meta_only: None leaves the setting as it is.
        fresh: Begin with an empty configuration.
        secrets_in_env: Credentials become names of variables.
        tools: The tools to keep, by name of the server.
    """

    moved: list[Found] = field(default_factory=list)
    added: list[NewServer] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)
    clients: list[str] = field(default_factory=list)
    listener: str | None = None
    daemon: bool = False
    cache_seconds: int | None = None
    meta_only: bool | None = None
    fresh: bool = False
    secrets_in_env: bool = False
    tools: dict[str, tuple[str, ...]] = field(default_factory=dict)


def custom_server(name: str, line: str) -> NewServer:
    """A server by its command line or address.

    Raises:
        UsageError: The name or the line cannot be used.
    """
    if not name or not all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in name):
        raise UsageError(f'a server\'s name has letters, digits, _ and - only, not "{name}"')
    if "__" in name:
        raise UsageError(
            f'a server\'s name cannot hold "__", which stands before the names of tools: "{name}"'
        )
    if line.startswith(("http://", "https://")):
        return NewServer(name, Entry(url=line))
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"Unterminated quote in the command of {name}: {error}") from None
    if not words:
        raise UsageError(f"the command of {name} is empty")
    return NewServer(name, Entry(command=words[0], args=tuple(words[1:])))


def leave_out(choices: Choices, answered: Mapping[str, Answer]) -> dict[str, str]:
    """Takes the servers that did not answer out of `choices`; gives their names and reasons."""
    bad = {key: answer.problem for key, answer in answered.items() if answer.problem is not None}
    moved = [item for n, item in enumerate(choices.moved) if f"{n}:{item.name}" not in bad]
    added = [item for n, item in enumerate(choices.added) if f"+{n}:{item.name}" not in bad]
    choices.moved, choices.added = moved, added
    return {key.partition(":")[2]: problem for key, problem in bad.items()}


def by_name(plan: Plan, choices: Choices, answered: Mapping[str, Answer]) -> dict[str, Answer]:
    """The answers by the new names of the servers."""
    items = [*(item.name for item in choices.moved), *(item.name for item in choices.added)]
    found = {key.partition(":")[2]: answer for key, answer in answered.items()}
    return {new: found[old] for new, old in zip(plan.names, items, strict=True) if old in found}
