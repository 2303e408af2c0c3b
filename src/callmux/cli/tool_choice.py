"""Lets a person at a terminal choose which tools of a new server agents get.

Called by `callmux.cli.server_edit`. Starts the server once, shows its tools, and asks. Ctrl-C ends the
command, and nothing is written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from callmux.cli.question import asked_in_loop
from callmux.cli.server_saving import Declined
from callmux.cli.sign_in_offer import offered
from callmux.cli.waiting import watching
from callmux.config.secrets import resolve_reference
from callmux.config.servers import HttpServer, StdioServer
from callmux.config.variables import expand_server
from callmux.doctor.checks import Probe, counted

if TYPE_CHECKING:
    from callmux.upstream.probe import ProbeResult

SECONDS = 30.0
"""How long a new server may take to connect, and again to list its tools."""

Chooser: TypeAlias = Callable[[str, StdioServer | HttpServer], Coroutine[Any, Any, list[str] | None]]
"""Gives the whitelist for a server, None for no whitelist."""


async def choose_tools(
    name: str, server: StdioServer | HttpServer, *, base_dir: Path, kept: bool
) -> list[str] | None:
    """Starts the server and asks for the tools to expose.

    Args:
        base_dir: Where relative `file:` references start.
        kept: Whether what it lists may be kept for the first session.

    Raises:
        Declined: It does not work, and it is not to be added all the same.
    """
    from callmux.process.signed_probe import probe

    look = partial(probe, kept=kept)
    return await choose(name, server, look, ask_all_or_some, ask_anyway, offered, base_dir)


async def choose(
    name: str,
    server: StdioServer | HttpServer,
    probe: Probe,
    pick: Callable[[list[str]], Awaitable[list[str]]],
    anyway: Callable[[str], Awaitable[bool]],
    sign_in: Callable[[str, StdioServer | HttpServer, Path], Awaitable[bool]],
    base_dir: Path,
) -> list[str] | None:
    """`choose_tools` with everything outside handed in.

    Args:
        probe: Asks the server.
        pick: Lets somebody pick some of these tools.
        anyway: Asks whether a server that does not work, for this reason, is to be added.
        sign_in: Offers a sign-in to a server that wants one; gives whether somebody has signed in.
        base_dir: Where relative `file:` references start.
    """
    print(f"Starting {name} to see its tools...", file=sys.stderr, flush=True)
    expanded = filled_in(name, server, base_dir)
    problem = expanded.problem
    tools: list[str] = []
    if problem is None:
        result = await _ask(name, expanded, probe, base_dir)
        if result.sign_in and await sign_in(name, expanded, base_dir):
            result = await _ask(name, expanded, probe, base_dir)
        tools, problem = sorted(result.tools), result.error
    if problem is not None:
        if not await anyway(problem):
            raise Declined(f'Server "{name}" was not added.')
        return None
    if not tools:
        print(f"{name} works and has no tools.", file=sys.stderr)
        return None
    picked = await pick(tools)
    return None if len(picked) == len(tools) else picked


def filled_in(name: str, server: StdioServer | HttpServer, base_dir: Path) -> StdioServer | HttpServer:
    """A server that is not in the configuration yet, with its variables and files filled in as there."""
    return expand_server(
        server,
        f"servers.{name}",
        os.environ,
        lambda file: resolve_reference(f"file:{file}", base_dir, os.environ),
    )


async def _ask(name: str, server: StdioServer | HttpServer, probe: Probe, base_dir: Path) -> ProbeResult:
    with watching(1) as progress:
        progress.started(name)
        result = await probe(
            name,
            server,
            timeout_seconds=SECONDS,
            base_dir=base_dir,
            heard=lambda line: progress.heard(name, line),
        )
        progress.finished(name, result.error or counted(len(result.tools), "tool"))
    return result


async def ask_all_or_some(tools: list[str]) -> list[str]:
    import questionary

    question = questionary.checkbox(
        "Which tools do agents get?",
        choices=[questionary.Choice(tool, checked=True) for tool in tools],
        validate=lambda picked: bool(picked) or "Choose at least one",
    )
    picked: list[str] = await asked_in_loop(question)
    return picked


async def ask_anyway(problem: str) -> bool:
    import questionary

    print(f"It does not work: {problem}", file=sys.stderr)
    return bool(await asked_in_loop(questionary.confirm("Add it anyway?", default=False)))
