"""What callmux for Node left on this machine. Reads files, writes none. Called by `callmux.cli.migrate`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from callmux.clients.detect import KINDS, Machine, client_file, project_files, read_text
from callmux.clients.entry import ClientFileError
from callmux.config.notation import parse
from callmux.errors import ConfigError

METRICS, EVENTS = "callmux-metrics.json", "callmux-events.sqlite"
SYSTEM_UNITS = Path("/etc/systemd/system")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file.

    Attributes:
        path: Where.
        text: What it holds; None where that is of no matter or cannot be read.
        mode: Its permissions.
    """

    path: Path
    text: str | None
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """Everything that was found.

    Attributes:
        config_path: The configuration, absolute.
        config: The configuration.
        overlay: Changes made at run time over the management API.
        metrics: The history of the counters.
        events: The database of calls.
        token: The kept token.
        origin: The listener that the token is bound to.
        units: Service files by path.
        clients: Clients' files: kind and file.
        problems: What could not be read.
    """

    config_path: Path
    config: FoundFile | None
    overlay: FoundFile | None
    metrics: FoundFile | None
    events: FoundFile | None
    token: FoundFile | None
    origin: FoundFile | None
    units: Mapping[Path, FoundFile]
    clients: tuple[tuple[str, FoundFile], ...]
    problems: tuple[str, ...]


def look(machine: Machine, config_path: Path, system_units: Path = SYSTEM_UNITS) -> MigrationState:
    """Reads everything callmux for Node may have written."""
    problems: list[str] = []

    def found(path: Path, *, with_text: bool = True) -> FoundFile | None:
        try:
            text = read_text(path) if with_text else None
            mode = stat.S_IMODE(path.stat().st_mode)
        except ClientFileError as error:
            problems.append(error.message)
            return None
        except OSError:
            return None
        return FoundFile(path, text, mode)

    config = found(config_path)
    home = machine.home / ".config" / "callmux"
    directories = [machine.home / ".config" / "systemd" / "user", machine.home / "Library" / "LaunchAgents"]
    units = [
        path
        for directory in (*directories, system_units)
        if directory.is_dir()
        for path in sorted(directory.iterdir())
        if path.name.endswith(".service")
        or (path.name.startswith("dev.callmux.") and path.suffix == ".plist")
    ]
    files = [(kind, path) for kind in KINDS if (path := client_file(kind, machine)) is not None]
    clients = [(kind, file) for kind, path in (*files, *project_files(machine)) if (file := found(path))]
    return MigrationState(
        config_path=config_path,
        config=config,
        overlay=found(_overlay_path(config_path, config)),
        metrics=found(config_path.parent / METRICS, with_text=False),
        events=found(config_path.parent / EVENTS, with_text=False),
        token=found(home / "cli-token"),
        origin=found(home / "cli-token.origin"),
        units={path: file for path in units if (file := found(path)) and "callmux" in (file.text or "")},
        clients=tuple(clients),
        problems=tuple(problems),
    )


def _overlay_path(config_path: Path, config: FoundFile | None) -> Path:
    default = Path(f"{config_path}.management.json")
    try:
        document = parse(str(config_path), (config.text if config else None) or "{}")
    except ConfigError:
        return default
    management = document.get("management") if isinstance(document, dict) else None
    named = management.get("statePath") if isinstance(management, dict) else None
    return Path(os.path.join(config_path.parent, named)) if isinstance(named, str) and named else default
