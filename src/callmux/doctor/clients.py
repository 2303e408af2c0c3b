"""Checks what MCP clients have entered for callmux: does it exist, and is it the right one.

Called by `callmux.cli.doctor`. Reads files, writes none; entries of other programs are left out.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from callmux.clients import codex, json_files
from callmux.clients.detect import KINDS, Machine, client_file, project_files, read_text
from callmux.clients.dialects import DIALECTS
from callmux.clients.editing import entry_of, title
from callmux.clients.entry import ClientFileError, Entry, looks_like_listener, own_arguments
from callmux.clients.program import is_fleeting
from callmux.config.load import VARIABLE, default_config
from callmux.config.redact import mask_command, mask_url
from callmux.doctor.report import ClientReport

CONNECT_SECONDS = 1.0


def examine_clients(
    machine: Machine, reachable: Callable[[str, int], bool] | None = None
) -> list[ClientReport]:
    """One report for each entry that starts callmux or reaches a listener of it.

    Args:
        machine: Where to look.
        reachable: Says whether something listens on a host and port; only asked for this machine.
    """
    reachable = reachable or listens
    own = [(kind, path) for kind in KINDS if (path := client_file(kind, machine)) is not None]
    reports: list[ClientReport] = []
    for kind, path in dict.fromkeys([*own, *project_files(machine)]):
        try:
            for name, entry in _entries(kind, path):
                if own_arguments(entry) is not None or looks_like_listener(name, entry):
                    reports.append(_report(kind, path, name, entry, machine, reachable))
        except ClientFileError as error:
            reports.append(_unreadable(kind, path, error))
    return reports


def listens(host: str, port: int) -> bool:
    """Whether something accepts a connection there, soon."""
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _entries(kind: str, path: Path) -> Iterator[tuple[str, Entry]]:
    text = read_text(path) or ""
    raw = codex.read_servers(text) if kind == "codex" else json_files.read_servers(DIALECTS[kind], text)
    for name, value in raw.items():
        entry = entry_of(kind, value)
        if entry is not None:
            yield name, entry


def _unreadable(kind: str, path: Path, error: ClientFileError) -> ClientReport:
    problem = f"the file cannot be understood, so {title(kind)} starts no server of it: {error.message}"
    return ClientReport(
        client=kind, path=str(path), name="", command="", status="error", issues=[f"{problem}; correct it"]
    )


def _report(
    kind: str,
    path: Path,
    name: str,
    entry: Entry,
    machine: Machine,
    reachable: Callable[[str, int], bool],
) -> ClientReport:
    issues: list[str] = []
    warnings: list[str] = []
    again = f'"callmux client attach {kind} --name {name} --yes"'
    url = entry.url
    if entry.command is not None:
        found = own_arguments(entry)
        whose, args = found if found is not None else ("python", ())
        # A client starts it with its own environment, and what the entry adds.
        env = {**machine.env, **entry.env}
        if not _exists(entry.command, env):
            issues.append(f'its program "{entry.command}" does not exist: enter it again with {again}')
        elif whose == "node":
            warnings.append(
                f'it runs callmux for Node: "callmux client upgrade {kind} --yes" has it run this'
            )
        warnings += _fragile(entry.command, env, again)
        config, url = _value(args, "--config"), _value(args, "--url") if "bridge" in args else None
        problem = _config_problem(config, args, env, machine)
        if problem is not None:
            issues.append(problem)
    if url is not None and "--autostart" not in entry.args:
        warnings += _not_listening(url, reachable)
    shown = mask_url(entry.url) if entry.url is not None else _line(entry)
    return ClientReport(
        client=kind,
        path=str(path),
        name=name,
        command=shown,
        status="error" if issues else "ok",
        issues=issues,
        warnings=warnings,
    )


def _fragile(command: str, env: Mapping[str, str], again: str) -> list[str]:
    """Why a program that is there now may not be there the next time."""
    plain = "/" not in command and os.sep not in command
    found = shutil.which(command, path=env.get("PATH")) if plain else command
    if found is None:
        return []
    if is_fleeting(os.path.realpath(found)) or is_fleeting(found):
        return [
            "its program lies in a cache (uvx, pipx run) and will be gone: install it"
            f" (uv tool install callmux), then enter it again with {again}"
        ]
    active = env.get("VIRTUAL_ENV")
    if plain and active and os.path.realpath(found).startswith(os.path.realpath(active) + os.sep):
        return [
            f'"{command}" is found only while the virtual environment {active} is active: enter its whole'
            f" path with {again}"
        ]
    return []


def _line(entry: Entry) -> str:
    return " ".join(mask_command([entry.command or "", *entry.args]))


def _exists(command: str, env: Mapping[str, str]) -> bool:
    if "/" in command or os.sep in command:
        path = Path(os.path.expanduser(command))
        return path.is_file() and os.access(path, os.X_OK)
    return shutil.which(command, path=env.get("PATH")) is not None


def _value(args: tuple[str, ...], flag: str) -> str | None:
    """The value of a flag, as the next word or after `=`."""
    for at, word in enumerate(args):
        if word == flag and at + 1 < len(args):
            return args[at + 1]
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _config_problem(
    config: str | None, args: tuple[str, ...], env: Mapping[str, str], machine: Machine
) -> str | None:
    """Why callmux would find no configuration when it is started with these arguments."""
    if config is not None:
        if not os.path.isabs(config):
            return (
                f'its --config "{config}" is relative, and clients start programs anywhere: make it absolute'
            )
        return None if os.path.exists(config) else f'its configuration "{config}" does not exist'
    if args or env.get(VARIABLE) or default_config(machine.home, env).exists():
        return None
    return 'it would find no configuration: run "callmux init" or "callmux setup"'


def _not_listening(url: str, reachable: Callable[[str, int], bool]) -> list[str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return [f"its URL {mask_url(url)} cannot be understood"]
    if host not in ("localhost", "127.0.0.1", "::1") or reachable(host, port):
        return []
    return [
        f"nothing listens at {host}:{port} now: start it with"
        f' "callmux --listen {port}" or "callmux daemon start"'
    ]
