"""Where the clients keep their files on this machine, and what is in them. Looks at files, writes none.

Called by `callmux.cli.client`, `callmux.setup` and `callmux.migrate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from callmux.clients.dialects import DIALECTS
from callmux.clients.entry import ClientFileError
from callmux.text import NotText, text_of

KINDS = ("claude", "codex", *(kind for kind in DIALECTS if kind != "claude"))
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
    home, env = machine.home, machine.env
    if kind == "claude":
        directory = env.get("CLAUDE_CONFIG_DIR")
        return (Path(directory) if directory else home) / ".claude.json"
    if kind == "codex":
        return Path(env.get("CODEX_HOME") or home / ".codex") / "config.toml"
    if kind == "claude-desktop":
        return _application(machine, "Claude") / "claude_desktop_config.json"
    if kind == "cursor":
        return home / ".cursor" / "mcp.json"
    if kind == "vscode":
        return _application(machine, "Code") / "User" / "mcp.json"
    if kind == "windsurf":
        return home / ".codeium" / "windsurf" / "mcp_config.json"
    if kind == "gemini":
        return home / ".gemini" / "settings.json"
    return None


def vscode_settings(machine: Machine) -> Path:
    """VS Code's own settings, beside its list of servers."""
    return _application(machine, "Code") / "User" / "settings.json"


def _application(machine: Machine, name: str) -> Path:
    """Where a desktop program keeps its settings."""
    if machine.platform == "darwin":
        return machine.home / "Library" / "Application Support" / name
    if machine.platform == "win32":
        return Path(machine.env.get("APPDATA") or machine.home / "AppData" / "Roaming") / name
    return Path(machine.env.get("XDG_CONFIG_HOME") or machine.home / ".config") / name


def project_files(machine: Machine) -> Iterator[tuple[str, Path]]:
    """The files of the project in the working directory: the client and the file.

    In the home directory, some of them are the user's own files and none of a project.
    """
    yield "claude", machine.cwd / ".mcp.json"
    if machine.cwd == machine.home:
        return
    yield "codex", machine.cwd / ".codex" / "config.toml"
    yield "cursor", machine.cwd / ".cursor" / "mcp.json"
    yield "vscode", machine.cwd / ".vscode" / "mcp.json"
    yield "gemini", machine.cwd / ".gemini" / "settings.json"


def installed(kind: str, machine: Machine) -> bool:
    """Whether a client seems to be used here: its file or the directory of it exists."""
    path = client_file(kind, machine)
    if path is None:
        return False
    if kind == "claude":
        return path.exists() or (machine.home / ".claude").is_dir()
    return path.parent.is_dir()


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
