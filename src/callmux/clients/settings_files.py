"""The files beside a client's list of servers that say what its agent may not do. Reads files, writes none.

Called by `callmux.setup.scene`; what they say is read by `callmux.clients.limits`. A file that cannot be read
is given with the reason: what it forbids is not known then.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from callmux.clients.detect import Machine, read_text, vscode_settings
from callmux.clients.entry import ClientFileError
from callmux.clients.limits import Role, Settings
from callmux.config.json_text import JsonTextError, parse_json

MOST_PROJECTS = 1000
"""Projects of Claude Code and of Codex whose settings are looked into."""


def read_settings(machine: Machine, claude: Mapping[str, Any]) -> list[Settings]:
    """What is found, for all clients.

    Args:
        machine: Where to look.
        claude: What Claude Code's own file (`~/.claude.json`) says.
    """
    found = []
    if claude:
        found.append(Settings("claude", "state", "~/.claude.json", document=claude))
    for kind, role, path, project in _places(machine, claude):
        try:
            text = read_text(path)
            if text is None or not text.lstrip("\ufeff").strip():
                continue
            document = _parsed(path, text)
        except (ClientFileError, JsonTextError, tomllib.TOMLDecodeError, OSError) as error:
            message = getattr(error, "message", None) or str(error)
            found.append(Settings(kind, role, str(path), project, problem=message))
            continue
        found.append(Settings(kind, role, str(path), project, document))
    return found


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    document = tomllib.loads(text.removeprefix("\ufeff")) if path.suffix == ".toml" else parse_json(text)
    if not isinstance(document, Mapping):
        raise ClientFileError(f"{path} does not hold an object")
    return document


def _places(machine: Machine, claude: Mapping[str, Any]) -> Iterator[tuple[str, Role, Path, str | None]]:
    yield from _of_claude(machine, claude)
    yield from _of_codex(machine)
    yield from _of_gemini(machine)
    here = str(machine.cwd)
    yield "cursor", "user", machine.home / ".cursor" / "cli-config.json", None
    yield "cursor", "project", machine.cwd / ".cursor" / "cli.json", here
    yield "vscode", "user", vscode_settings(machine), None
    yield "vscode", "project", machine.cwd / ".vscode" / "settings.json", here
    if machine.platform not in ("darwin", "win32"):
        yield "vscode", "managed", machine.system / "etc" / "vscode" / "policy.json", None


def _of_claude(machine: Machine, claude: Mapping[str, Any]) -> Iterator[tuple[str, Role, Path, str | None]]:
    managed = _system(machine, "etc/claude-code", "Library/Application Support/ClaudeCode", "ClaudeCode")
    yield "claude", "managed", managed / "managed-settings.json", None
    for path in _files(managed / "managed-settings.d", ".json"):
        yield "claude", "managed", path, None
    yield "claude", "exclusive", managed / "managed-mcp.json", None
    own = Path(machine.env.get("CLAUDE_CONFIG_DIR") or machine.home / ".claude")
    for name in ("settings.json", "settings.local.json"):
        yield "claude", "user", own / name, None
    projects = claude.get("projects")
    names = list(projects)[:MOST_PROJECTS] if isinstance(projects, Mapping) else []
    for project in dict.fromkeys([str(machine.cwd), *map(str, names)]):
        for name in ("settings.json", "settings.local.json"):
            path = Path(project) / ".claude" / name
            if path.parent != own and Path(project).is_absolute():
                yield "claude", "project", path, project


def _of_codex(machine: Machine) -> Iterator[tuple[str, Role, Path, str | None]]:
    own = Path(machine.env.get("CODEX_HOME") or machine.home / ".codex")
    system = _system(machine, "etc/codex", "etc/codex", "OpenAI/Codex")
    yield "codex", "managed", system / "requirements.toml", None
    yield "codex", "override", system / "managed_config.toml", None
    yield "codex", "override", own / "managed_config.toml", None
    for path in _files(own, ".config.toml"):
        yield "codex", "project", path, str(own)
    for project in dict.fromkeys([str(machine.cwd), *_codex_projects(own / "config.toml")]):
        path = Path(project) / ".codex" / "config.toml"
        if path != own / "config.toml" and path.is_absolute():
            yield "codex", "project", path, project


def _codex_projects(path: Path) -> list[str]:
    """The projects that Codex's own file knows. Whoever reads its servers tells that it cannot be read."""
    try:
        projects = tomllib.loads((read_text(path) or "").removeprefix("\ufeff")).get("projects")
    except (ClientFileError, tomllib.TOMLDecodeError):
        return []
    return list(projects)[:MOST_PROJECTS] if isinstance(projects, Mapping) else []


def _of_gemini(machine: Machine) -> Iterator[tuple[str, Role, Path, str | None]]:
    env = machine.env
    system = _system(
        machine, "etc/gemini-cli", "Library/Application Support/GeminiCli", "gemini-cli", data=True
    )
    settings = env.get("GEMINI_CLI_SYSTEM_SETTINGS_PATH")
    defaults = env.get("GEMINI_CLI_SYSTEM_DEFAULTS_PATH")
    own = machine.home / ".gemini"
    yield "gemini", "managed", Path(settings) if settings else system / "settings.json", None
    yield "gemini", "user", Path(defaults) if defaults else system / "system-defaults.json", None
    yield "gemini", "user", own / "settings.json", None
    if machine.cwd != machine.home:
        yield "gemini", "project", machine.cwd / ".gemini" / "settings.json", str(machine.cwd)
    yield "gemini", "switches", own / "mcp-server-enablement.json", None
    for folder in (system / "policies", own / "policies", machine.cwd / ".gemini" / "policies"):
        for path in _files(folder, ".toml"):
            yield "gemini", "policy", path, None


def _files(folder: Path, suffix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(suffix))
    except OSError:
        return []


def _system(machine: Machine, linux: str, mac: str, windows: str, *, data: bool = False) -> Path:
    """Where a client's files for the whole machine are."""
    if machine.platform == "darwin":
        return machine.system / mac
    if machine.platform == "win32":
        variable, usual = (
            ("ProgramData", r"C:\ProgramData") if data else ("ProgramFiles", r"C:\Program Files")
        )
        return Path(machine.env.get(variable) or usual) / windows
    return machine.system / linux
