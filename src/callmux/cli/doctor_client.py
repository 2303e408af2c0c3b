"""`callmux doctor --client NAME`: what reaches the model of a client, in tokens.

Called by `callmux.cli.doctor`. Every server of the configuration is started and listed as it would be to such
a client; `callmux.doctor.arriving` takes off what that client cuts and puts aside.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from callmux.cli.console import print_json, print_lines
from callmux.cli.parsing import Given
from callmux.config.load import target_config
from callmux.doctor.arriving import Portion, arrivals, lines
from callmux.library.gateway import Gateway
from callmux.router.personas import named


def run(given: Given, config_option: str | None) -> int:
    """Gives the exit code: 1 where the servers could not all be asked."""
    name = given.text("--client") or ""
    path = target_config(config_option, os.environ, Path.home())
    found, state = asyncio.run(_asked(path, name))
    if given.on("--json"):
        print_json(found)
    else:
        print_lines(lines(found))
        if state != "ok":
            print("Some servers did not answer: what they have is missing here (callmux doctor)")
    return 0 if state == "ok" else 1


async def _asked(path: Path, name: str) -> tuple[Portion, str]:
    persona = named(name)
    assert persona is not None
    async with Gateway(str(path), show=lambda server, line: None) as gateway:
        state = await gateway.ready()
        instructions, tools = await gateway.given_to(persona.clients[0] if persona.clients else persona.name)
    return arrivals(persona, instructions, tools), state
