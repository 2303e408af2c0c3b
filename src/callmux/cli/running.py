"""What the processes that run with a configuration say of their servers.

Called by the commands that ask processes which run: `callmux.cli.server`, `callmux.cli.ps`,
`callmux.cli.dashboard` and others; asks through `callmux.process.control_sockets`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECONDS = 2.0
"""How long a process may take to say how its servers are."""


def running_servers(config: Path, env: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The state of each server by name: one record a process, with `pid`, `state`, `toolCount`, `error`.

    Processes that do not answer, or are too old to know the question, are left out.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for pid, answer in asked(config, env, {"method": "servers"}, SECONDS).items():
        for record in answer.get("servers", ()):
            found.setdefault(str(record.get("name")), []).append({"pid": pid, **record})
    return found


def asked(
    config: Path, env: dict[str, str], request: Mapping[str, Any], seconds: float
) -> dict[int, dict[str, Any]]:
    """The answers of all processes that run with a configuration, by process id; all asked at once."""
    if sys.platform == "win32":
        return {}
    from callmux.process.control_sockets import sockets

    return answers_of(sockets(config, env), request, seconds)


def places_of(config_option: str | None, env: dict[str, str]) -> dict[int, Path]:
    """The sockets of the processes with the configuration that `--config` names, by process id; without one,
    those of every callmux of this user."""
    from callmux.config.load import target_config
    from callmux.process.control_sockets import directory, named, sockets

    if config_option is None:
        return dict(named(directory(env), "*"))
    return sockets(target_config(config_option, env, Path.home()), env)


def answers_of(
    places: Mapping[int, Path], request: Mapping[str, Any], seconds: float
) -> dict[int, dict[str, Any]]:
    """The answers of the processes with these sockets, by process id; those that give none are left out."""
    from concurrent.futures import ThreadPoolExecutor

    from callmux.errors import CallmuxError
    from callmux.process.control_sockets import ask

    if not places:
        return {}

    def one(path: Path) -> dict[str, Any] | None:
        try:
            return ask(path, request, seconds)
        except CallmuxError:
            return None

    with ThreadPoolExecutor(len(places)) as pool:
        answers = pool.map(one, places.values())
        return {pid: answer for pid, answer in zip(places, answers, strict=True) if answer is not None}


def is_running(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
