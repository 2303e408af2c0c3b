"""`callmux doctor --client NAME`: what reaches the model of a client, in tokens.

Called by `callmux.cli.doctor`. Every server of the configuration is started and listed as it would be to such
a client; `callmux.doctor.arriving` takes off what that client cuts and puts aside.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json, print_lines
from callmux.cli.parsing import Given
from callmux.config.load import LoadedConfig, load_config, state_file, target_config
from callmux.doctor.arriving import Portion, arrivals, lines
from callmux.library.gateway import Gateway
from callmux.router.personas import Persona, named


def run(given: Given, config_option: str | None) -> int:
    """Gives the exit code: 1 where the servers could not all be asked."""
    path = target_config(config_option, os.environ, Path.home())
    persona = named(given.text("--client") or "")
    assert persona is not None
    asked: str | dict[str, Any] = str(path)
    told = ""
    if not persona.clients:
        # No client gives itself the name of such a persona: a configuration names it.
        asked, told = _with_persona(load_config(path, os.environ), persona)
    found, state = asyncio.run(_asked(asked, path.absolute().parent, persona))
    if given.on("--json"):
        print_json(found)
    else:
        if told:
            print(told)
        print_lines(lines(found))
        if state != "ok":
            print("Some servers did not answer: what they have is missing here (callmux doctor)")
    return 0 if state == "ok" else 1


def _with_persona(loaded: LoadedConfig, persona: Persona) -> tuple[dict[str, Any], str]:
    """The configuration as it would be with this persona; and what is said where it is not so."""
    config = loaded.config
    document: dict[str, Any] = {**loaded.document, "persona": persona.name}
    if config.management.enabled:
        kept = str(state_file(config, loaded.path))
        document["management"] = {**document.get("management", {}), "statePath": kept}
    if config.persona == persona.name:
        return document, ""
    has = "no persona" if config.persona is None else f'"persona": "{config.persona}"'
    return document, f'Listed as with "persona": "{persona.name}"; this configuration has {has}.'


async def _asked(given: str | dict[str, Any], base: Path, persona: Persona) -> tuple[Portion, str]:
    async with Gateway(given, base_dir=base, show=lambda server, line: None) as gateway:
        state = await gateway.ready()
        instructions, tools = await gateway.given_to(persona.clients[0] if persona.clients else persona.name)
    return arrivals(persona, instructions, tools), state
