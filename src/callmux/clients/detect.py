"""Where the clients keep their files on this machine, and what is in them. Looks at files, writes none.

Called by `callmux.cli.client`, `callmux.setup` and `callmux.migrate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from callmux.clients.dialects import CLIENTS
from callmux.clients.entry import ClientFileError
from callmux.text import NotText, text_of

KINDS = tuple(CLIENTS)
"""Every client, in the order in which they are shown."""
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where files are.

    Attributes:
        home: The user's home directory.
        env: The environment.
        platform: As `sys.platform` has it.
        cwd: The working directory, for a project's own files.
        system: Where the files of the whole machine begin.
    """

    home: Path
    env: Mapping[str, str]
    platform: str
    cwd: Path
    system: Path = Path("/")


def client_file(kind: str, machine: Machine) -> Path | None:
    """The file in which a client keeps the servers of its user; None for `generic`, which has none."""
    files = CLIENTS[kind].files
    if files is None:
        return None
    moved = machine.env.get(files.moved_by) if files.moved_by is not None else None
    if moved:
        return Path(moved) / files.own[-1]
    return (_settings(machine) if files.desktop else machine.home).joinpath(*files.own)


def vscode_settings(machine: Machine) -> Path:
    """VS Code's own settings, beside its list of servers."""
    return _settings(machine) / "Code" / "User" / "settings.json"


def _settings(machine: Machine) -> Path:
    """Where desktop programs keep their settings."""
    if machine.platform == "darwin":
        return machine.home / "Library" / "Application Support"
    if machine.platform == "win32":
        return Path(machine.env.get("APPDATA") or machine.home / "AppData" / "Roaming")
    return Path(machine.env.get("XDG_CONFIG_HOME") or machine.home / ".config")


def project_files(machine: Machine) -> Iterator[tuple[str, Path]]:
    """The files of the project in the working directory: the client and the file.

    In the home directory, some of them are the user's own files and none of a project.
    """
    at_home = machine.cwd == machine.home
    for kind, client in CLIENTS.items():
        files = client.files
        if files is not None and files.project is not None and (files.project_at_home or not at_home):
            yield kind, machine.cwd.joinpath(*files.project)


def installed(kind: str, machine: Machine) -> bool:
    """Whether a client seems to be used here: its file or the directory of it exists."""
    files, path = CLIENTS[kind].files, client_file(kind, machine)
    if files is None or path is None:
        return False
    directory = path.parent if files.sign is None else machine.home / files.sign
    return path.exists() or directory.is_dir()


def read_text(path: Path) -> str | None:
    """The text of a client's file, byte for byte; None where there is no such file.

    Raises:
        ClientFileError: It cannot be read, or is no text.
    """
    try:
        if not path.is_file():
            if path.exists():
                raise ClientFileError(f"{path} is not a file")
            return None
        if path.stat().st_size > MAX_BYTES:
            raise ClientFileError(f"{path} is larger than {MAX_BYTES} bytes")
        return text_of(path.read_bytes(), path)
    except NotText as error:
        raise ClientFileError(error.message) from None
    except OSError as error:
        raise ClientFileError(f"{path} cannot be read: {error.strerror or error}") from None
