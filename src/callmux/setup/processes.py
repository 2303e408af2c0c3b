"""How many processes a chosen server gets: one for all directories, or one for each; and when one is stopped.
Pure.

Called by `callmux.setup.plan`, `callmux.setup.choices`, `callmux.setup.report`, `callmux.cli.setup_steps`,
`callmux.cli.wizard_processes` and `callmux.cli.server_processes`. What is known of packages is in
`callmux.clients.dependence`, what servers showed in two directories comes from
`callmux.doctor.two_directories`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callmux.clients.dependence import UNCHANGED, Compared, Mode, keeps_nothing, known_dependence
from callmux.clients.entry import Entry

IDLE_STOP_SECONDS = 600
"""How long a server that keeps nothing goes on unused, where somebody wants it stopped at all."""
ROOTS = "it asks its client for MCP roots"
UNKNOWN = "callmux does not know whether its directory matters"


@dataclass(frozen=True, slots=True)
class CwdChoice:
    """Whether a server gets one process for all directories.

    Attributes:
        mode: Its `cwdMode`; None where it has none, which means one process for each directory.
        reason: Why, as a sentence without its end.
        guessed: Whether a person knows better, and is to be asked.
    """

    mode: Mode | None
    reason: str
    guessed: bool = False


def decision(entry: Entry, compared: Compared | None, project: str | None = None) -> CwdChoice | None:
    """What to do about the directory of a server; None for a server at a URL, which has none.

    Args:
        compared: What came of trying it in two directories; None where it was not tried.
        project: The directory it is for: it goes on working there.
    """
    if entry.command is None:
        return None
    if project is not None:
        return CwdChoice("global", f"it works in {project}, whoever calls it")
    known = known_dependence(entry.command, entry.args, entry.env, entry.cwd)
    if known is not None and not known.unless_roots:
        return CwdChoice(known.mode, known.reason)
    if compared is None or compared.problem is not None:
        unsure = CwdChoice(None, UNKNOWN, guessed=True)
        return unsure if known is None else CwdChoice(known.mode, known.reason, guessed=True)
    if known is None and compared.changes is not None:
        return CwdChoice("session", compared.changes)
    if compared.asks_for_roots:
        return CwdChoice("session", ROOTS)
    if known is not None:
        # What changes with the directory is why it was given one.
        return CwdChoice(known.mode, known.reason)
    if compared.speaks_of is None:
        return CwdChoice("global", UNCHANGED, guessed=True)
    return CwdChoice(None, f'{UNKNOWN}: it speaks of "{compared.speaks_of}"', guessed=True)


def is_tried(entry: Entry, project: str | None = None) -> bool:
    """Whether a look at the server in two directories can tell more than its entry does."""
    if entry.command is None or entry.disabled or project is not None:
        return False
    known = known_dependence(entry.command, entry.args, entry.env, entry.cwd)
    return known is None or known.unless_roots


def process_keys(entry: Entry, found: CwdChoice | None, idle_stop: int | None) -> dict[str, Any]:
    """The keys of the configuration that say so.

    Args:
        idle_stop: After how many seconds without use a server that keeps nothing is stopped; None for never.
    """
    keys: dict[str, Any] = {}
    if found is not None and found.mode is not None:
        keys["cwdMode"] = found.mode
    if idle_stop is not None and can_be_stopped(entry):
        keys |= {"start": "lazy", "idleStopSeconds": idle_stop}
    return keys


def can_be_stopped(entry: Entry) -> bool:
    """Whether a server is known to keep nothing between calls."""
    return entry.command is not None and keeps_nothing(entry.command, entry.args)


def process_lines(decisions: Mapping[str, CwdChoice]) -> list[str]:
    """What was decided, for people, by the names of servers."""
    lines = []
    for name, found in decisions.items():
        many = "one for all directories" if found.mode == "global" else "one for each directory"
        line = f"  {name:<20} {many}: {found.reason}"
        if found.mode is None:
            line += f". If it does not matter: callmux server set {name} --cwd-mode global"
        elif found.guessed:
            line += f". If it matters all the same: callmux server set {name} --cwd-mode session"
        lines.append(line)
    return lines


def stop_lines(stoppable: Sequence[str], idle_stop: int | None) -> list[str]:
    """What becomes of servers that keep nothing between calls, for people.

    Args:
        stoppable: Their names.
        idle_stop: As for `process_keys`.
    """
    if not stoppable:
        return []
    names = ", ".join(stoppable)
    if idle_stop is None:
        how = f"--idle-stop {IDLE_STOP_SECONDS} starts such servers when they are used, and stops them later"
        return [f"  Nothing is kept between calls by {names}: {how}"]
    return [f"  Started when used, stopped after {idle_stop} s without use: {names}"]
