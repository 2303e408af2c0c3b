"""What was chosen in a setup, by flags or in the dialogue, and what is left of it once servers were asked.

Filled by `callmux.cli.setup` and `callmux.cli.wizard`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from callmux.clients.entry import Entry
from callmux.errors import UsageError
from callmux.setup.found import Found
from callmux.setup.judging import Verdict
from callmux.setup.plan import NewServer, SetupPlan
from callmux.setup.probing import ProbeAnswer
from callmux.setup.processes import CwdChoice, decision


@dataclass(slots=True, kw_only=True)
class Choices:
    """What was chosen, by flags or in the dialogue.

    Attributes:
        moved: Servers to move.
        added: Servers to add.
        credentials: Credentials that were typed in: path of the file and value.
        clients: Clients that get callmux.
        listener: The address of the shared listener; None for a process a session.
        daemon: Whether to run the listener as a service.
        preset: One of `callmux.config.presets`, or `none`; None leaves the setting as it is.
        cache_seconds: None leaves the setting as it is.
        meta_only: None leaves the setting as it is.
        fresh: Whether to begin with an empty configuration.
        secrets_in_env: Whether credentials become names of variables.
        secrets_by_name: Whether credentials are kept by name, for `keyring:` references.
        tools: The tools to keep, by name of the server.
        kept: Secrets to keep by name before anything is written.
        decisions: Which servers get one process for all directories, by their keys.
        idle_stop: After how many seconds without use servers that keep nothing are stopped; None for never.
    """

    moved: list[Found] = field(default_factory=list)
    added: list[NewServer] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)
    clients: list[str] = field(default_factory=list)
    listener: str | None = None
    daemon: bool = False
    preset: str | None = None
    cache_seconds: int | None = None
    meta_only: bool | None = None
    fresh: bool = False
    secrets_in_env: bool = False
    secrets_by_name: bool = False
    tools: dict[str, tuple[str, ...]] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, CwdChoice] = field(default_factory=dict)
    idle_stop: int | None = None


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


def keyed(choices: Choices, answered: Mapping[str, ProbeAnswer]) -> dict[str, ProbeAnswer]:
    """The answers by the keys of moved servers, and by the names of added ones with `+` before them."""
    moved = {f"{n}:{item.name}": item.key for n, item in enumerate(choices.moved)}
    added = {f"+{n}:{item.name}": f"+{item.name}" for n, item in enumerate(choices.added)}
    keys = moved | added
    return {keys[name]: answer for name, answer in answered.items()}


def leave_out(choices: Choices, answers: Mapping[str, ProbeAnswer]) -> dict[str, str]:
    """Takes the servers that did not answer out of `choices`; gives their names and reasons. One that is
    added stays where it only wants a sign-in: that comes afterwards.

    Args:
        answers: As `keyed` gives them.
    """
    bad = {
        key: answer.problem
        for key, answer in answers.items()
        if answer.problem is not None and not (key.startswith("+") and answer.sign_in is not None)
    }
    left = {item.name: bad[item.key] for item in choices.moved if item.key in bad}
    left |= {item.name: bad[f"+{item.name}"] for item in choices.added if f"+{item.name}" in bad}
    choices.moved = [item for item in choices.moved if item.key not in bad]
    choices.added = [item for item in choices.added if f"+{item.name}" not in bad]
    return left


def settle(choices: Choices, found: Sequence[Verdict]) -> None:
    """Keeps of the moved servers those that may move now that their tools are known, with what is denied."""
    movable = {verdict.found.key: verdict.found for verdict in found if verdict.reason is None}
    choices.moved = [movable[item.key] for item in choices.moved if item.key in movable]


def decide(choices: Choices, answers: Mapping[str, ProbeAnswer]) -> None:
    """Decides which of the chosen servers get one process for all directories.

    Args:
        answers: As `keyed` gives them.
    """
    entries = {item.key: (item.entry, item.project) for item in choices.moved}
    entries |= {f"+{item.name}": (item.entry, None) for item in choices.added}
    choices.decisions = {}
    for key, (entry, project) in entries.items():
        answer = answers.get(key)
        found = decision(entry, None if answer is None else answer.compared, project)
        if found is not None:
            choices.decisions[key] = found


def by_name(plan: SetupPlan, choices: Choices, answers: Mapping[str, ProbeAnswer]) -> dict[str, ProbeAnswer]:
    """The answers by the new names of the servers.

    Args:
        answers: As `keyed` gives them.
    """
    keys = [*(item.key for item in choices.moved), *(f"+{item.name}" for item in choices.added)]
    return {new: answers[key] for new, key in zip(plan.names, keys, strict=True) if key in answers}
