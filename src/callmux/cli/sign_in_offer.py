"""Offers a sign-in where a server turns out to want one.

Called by `callmux.cli.tool_choice`, `callmux.cli.server_try`, `callmux.cli.doctor` and
`callmux.cli.setup_steps`, on a terminal. Elsewhere what they report says which command signs in.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from callmux.cli.question import asked_in_loop
from callmux.config.servers import HttpServer, StdioServer
from callmux.text import visible

Ask = Callable[[str], Awaitable[bool]]
Sign = Callable[[str, HttpServer, Path], Awaitable[None]]


def at_terminal() -> bool:
    """Whether somebody can be asked here, and sees it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


async def offered(
    name: str,
    server: StdioServer | HttpServer,
    base_dir: Path,
    ask: Ask | None = None,
    sign: Sign | None = None,
) -> bool:
    """Asks whether to sign in now, and does. Gives whether that came about.

    Args:
        name: The server's key.
        server: Its entry, variables filled in.
        base_dir: The directory of the configuration file.
        ask: Asks the question, in place of the terminal.
        sign: Signs in, in place of the terminal.
    """
    from callmux.oauth.failure import SignInFailed

    if not isinstance(server, HttpServer):
        return False
    if not await (ask or _ask)(f'"{name}" wants you to sign in. Now?'):
        return False
    try:
        await (sign or _sign)(name, server, base_dir)
    except SignInFailed as failure:
        print(f'Not signed in to "{name}": {visible(failure.reason)}', file=sys.stderr)
        return False
    print(f'Signed in to "{name}".')
    return True


def signed_in_to(servers: Mapping[str, StdioServer | HttpServer], base_dir: Path) -> list[str]:
    """The same for several, one after the other. Gives those that somebody has signed in to."""
    return [name for name, server in servers.items() if asyncio.run(offered(name, server, base_dir))]


async def _ask(question: str) -> bool:
    import questionary

    return bool(await asked_in_loop(questionary.confirm(question, default=True)))


async def _sign(name: str, server: HttpServer, base_dir: Path) -> None:
    from callmux.cli.signing_in import Manner, sign_in_here

    await sign_in_here(name, server, base_dir, Manner())
