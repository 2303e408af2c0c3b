"""Whether a server that is added gets one process for all directories: known, or tried and asked about.

Called by `callmux.cli.server_edit` and `callmux.cli.server_remote`. What is decided is in
`callmux.setup.processes`; on a terminal a server that nobody knows is tried in two directories
(`callmux.doctor.two_directories`).
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from callmux.cli.question import asked_in_loop
from callmux.clients.entry import Entry, strings
from callmux.config.servers import StdioServer
from callmux.setup.processes import CwdChoice, decision

if TYPE_CHECKING:
    from callmux.doctor.two_directories import Compare

SECONDS = 60.0
"""How long a server may take in both directories together."""

Ask: TypeAlias = Callable[[str, CwdChoice], Awaitable[str | None]]
"""Asks whether a server of that name needs one process for each directory: the `cwdMode`, None for no
answer."""


def of_entry(entry: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> CwdChoice | None:
    """What the entry of a server tells; None where it says it itself, or has no directory.

    Args:
        before: The entry that it replaces: what was said of the same command goes on.
    """
    if (
        "cwdMode" in entry
        or entry.get("requireSessionCwd") is True
        or not isinstance(entry.get("command"), str)
    ):
        return None
    args = [word for word in entry.get("args") or () if isinstance(word, str)]
    cwd = entry["cwd"] if isinstance(entry.get("cwd"), str) else None
    parts = Entry(command=entry["command"], args=tuple(args), env=strings(entry.get("env")), cwd=cwd)
    found = decision(parts, None)
    if cwd is not None and found is not None and found.mode == "global":
        # Whoever named a directory has decided: the entry stays as it was given.
        return None
    if found is None or not found.guessed or before is None or "cwdMode" not in before:
        return found
    was = before.get("command"), before.get("args") or [], before.get("cwd")
    same = was == (entry["command"], args, cwd)
    return CwdChoice(before["cwdMode"], "you said so before") if same else found


def with_mode(entry: Mapping[str, Any], found: CwdChoice | None) -> dict[str, Any]:
    """The entry with what was decided."""
    return dict(entry) if found is None or found.mode is None else {**entry, "cwdMode": found.mode}


def said(found: CwdChoice) -> str:
    """What was decided, for people."""
    if found.mode == "global":
        return f'it gets one process for all directories ("cwdMode": "global"): {found.reason}'
    each = "it gets one process for each directory that clients of a shared listener work in"
    return f"{each}: {found.reason}" + ("; --cwd-mode global gives one for all" if found.mode is None else "")


async def asked(name: str, server: StdioServer, base_dir: Path, found: CwdChoice) -> CwdChoice:
    """Tries the server in two directories, and asks where that does not tell everything."""
    from callmux.doctor.two_directories import compare

    return await ask_about(name, server, base_dir, found, compare, ask)


async def ask_about(
    name: str, server: StdioServer, base_dir: Path, found: CwdChoice, compare: Compare, ask: Ask
) -> CwdChoice:
    """`asked` with everything outside handed in.

    Args:
        base_dir: Where relative `file:` references start.
        found: What is known before.
        compare: Tries the server.
        ask: Asks a person.
    """
    from callmux.cli.tool_choice import filled_in

    expanded = filled_in(name, server, base_dir)
    if not isinstance(expanded, StdioServer) or expanded.problem is not None:
        return found
    print(f"Starting {name} in two empty directories, to compare...", file=sys.stderr, flush=True)
    compared = await compare(name, expanded, seconds=SECONDS, base_dir=base_dir)
    if compared.problem is not None:
        return found
    entry = Entry(command=expanded.command, args=expanded.args, env=expanded.env, cwd=expanded.cwd)
    found = decision(entry, compared) or found
    if not found.guessed:
        return found
    mode = await ask(name, found)
    if mode is None:
        return found
    return CwdChoice("global" if mode == "global" else "session", "you said so")


async def ask(name: str, found: CwdChoice) -> str | None:
    """Asks at the terminal; Return alone takes what seems right."""
    import questionary
    from questionary import Choice

    choices = [
        Choice("No: one process for all directories", "global"),
        Choice("Yes: one process for each directory", "session"),
        Choice("I do not know", "unknown"),
    ]
    question = questionary.select(
        f"Does what {name} answers depend on the directory that an agent works in? ({found.reason})",
        choices=choices,
        default=choices[0] if found.mode == "global" else choices[2],
    )
    answer = await asked_in_loop(question)
    return None if answer == "unknown" else str(answer)
