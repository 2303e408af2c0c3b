"""What setup starts from: the configuration and every client's file, as they are now. Reads files.

Called by `callmux.cli.setup` and `callmux.cli.wizard`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callmux.clients.detect import KINDS, Machine, client_file, installed, project_files, read_text
from callmux.clients.entry import ClientFileError
from callmux.clients.limits import Settings
from callmux.clients.settings_files import read_settings
from callmux.config.check import check_document
from callmux.config.json_text import JsonTextError, parse_json
from callmux.config.load import target_config
from callmux.config.notation import parse
from callmux.errors import ConfigError, UsageError
from callmux.setup.found import ClientFile, Found, find_servers
from callmux.setup.judging import Verdict, verdicts
from callmux.setup.plan import SetupError


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What setup starts from.

    Attributes:
        machine: Where files are looked for.
        config_path: The configuration, absolute.
        config_text: What it holds; None where it is not there.
        files: Every client's file that was read.
        found: The servers in them.
        problems: What could not be read.
        unreadable: Clients whose own file cannot be read, which is never written then: why.
        settings: What clients' settings say.
        approved: Project files whose commands the user has said may run.
    """

    machine: Machine
    config_path: Path
    config_text: str | None
    files: Sequence[ClientFile]
    found: Sequence[Found]
    problems: Sequence[str]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    settings: Sequence[Settings] = ()
    approved: frozenset[str] = frozenset()

    @property
    def holders(self) -> list[str]:
        """The clients that have callmux already."""
        return list(dict.fromkeys(item.file.kind for item in self.found if item.ours))

    def verdicts(
        self, receivers: Sequence[str], tools: Mapping[str, Sequence[str]] | None = None
    ) -> list[Verdict]:
        """What becomes of each server where these clients get callmux; see `callmux.setup.judging`.

        Clients that have callmux already count as well: they get what is behind it.
        """
        every = list(dict.fromkeys([*receivers, *self.holders]))
        return verdicts(self.found, every, self.settings, tools)

    def movable(self, receivers: Sequence[str]) -> list[Found]:
        """The servers that can be moved, those of project files only where their file is approved."""
        possible = [verdict.found for verdict in self.verdicts(receivers) if verdict.reason is None]
        return [item for item in possible if not self.is_pending(item)]

    def pending(self, receivers: Sequence[str]) -> list[Found]:
        """The servers that could be moved if their project's file were approved."""
        possible = [verdict.found for verdict in self.verdicts(receivers) if verdict.reason is None]
        return [item for item in possible if self.is_pending(item)]

    def is_pending(self, item: Found) -> bool:
        """Whether nothing of a server may run before its file is approved."""
        return item.is_of_a_project_file and item.file.path not in self.approved

    @property
    def config_servers(self) -> dict[str, Any]:
        """The servers that the configuration has."""
        text = self.config_text or ""
        document = parse(str(self.config_path), text) if text.strip() else {}
        servers = (
            document.get("servers", document.get("mcpServers", {})) if isinstance(document, dict) else {}
        )
        return servers if isinstance(servers, dict) else {}


def look(
    machine: Machine, config_option: str | None, *, with_project: bool, approved: Iterable[str] = ()
) -> Scene:
    """Reads the configuration, every client's file, and the settings that say what agents may not do.

    Args:
        machine: Where to look.
        config_option: The configuration that was named.
        with_project: Whether to look into the files of the project in the working directory.
        approved: Project files whose commands may run.

    Raises:
        SetupError: The configuration is there and cannot be used.
    """
    config_path = Path(os.path.abspath(target_config(config_option, machine.env, machine.home)))
    config_text = read_text(config_path)
    places = [(kind, path, None) for kind in KINDS if (path := client_file(kind, machine)) is not None]
    files: list[ClientFile] = []
    problems: list[str] = []
    unreadable: dict[str, str] = {}
    own = {os.path.realpath(path) for _, path, _ in places}
    more = project_files(machine) if with_project else ()
    # Where the working directory is the home directory by another name, its files are the user's own.
    others = [(kind, path, str(machine.cwd)) for kind, path in more if os.path.realpath(path) not in own]
    for kind, path, project in [*places, *others]:
        try:
            text = read_text(path)
        except ClientFileError as error:
            problems.append(error.message)
            if project is None:
                unreadable[kind] = error.message
            continue
        if text is not None:
            files.append(ClientFile(kind=kind, path=str(path), text=text, project=project))
    found, not_understood = find_servers(files, str(machine.home))
    paths = {file.path for file in files if file.project is not None}
    chosen = frozenset(os.path.abspath(os.path.expanduser(path)) for path in approved)
    if chosen - paths:
        known = ", ".join(sorted(paths)) or "none"
        raise UsageError(
            f'--project-file: "{min(chosen - paths)}" is not a file of this project with servers: {known}'
        )
    return Scene(
        machine=machine,
        config_path=config_path,
        config_text=config_text,
        files=files,
        found=found,
        problems=[*problems, *not_understood],
        unreadable=unreadable,
        settings=read_settings(machine, _claude_state(files)),
        approved=chosen,
    )


def _claude_state(files: Sequence[ClientFile]) -> Mapping[str, Any]:
    """What Claude Code's own file says."""
    text = next((file.text for file in files if file.kind == "claude" and file.project is None), "")
    try:
        document = parse_json(text) if text.strip() else {}
    except JsonTextError:
        return {}
    return document if isinstance(document, Mapping) else {}


def check_config(scene: Scene, fresh: bool) -> None:
    """Refuses a configuration that cannot be read.

    Raises:
        SetupError: It cannot, and is not to be replaced.
    """
    if fresh or scene.config_text is None or not scene.config_text.strip():
        return
    path = str(scene.config_path)
    try:
        problems = [f"{path}: {problem}" for problem in check_document(parse(path, scene.config_text)).errors]
    except ConfigError as error:
        problems = error.problems
    if problems:
        raise SetupError(f"{'; '.join(problems)}. Correct it, or start with an empty one: --fresh")


def occupied_secrets(directory: Path) -> dict[str, str]:
    """The files of secrets that are there already: path and value."""
    return {str(path): _secret(path) for path in directory.iterdir()} if directory.is_dir() else {}


def _secret(path: Path) -> str:
    try:
        return (read_text(path) or "").removesuffix("\n")
    except ClientFileError:
        return ""


def chosen_clients(wanted: str | None, scene: Scene) -> list[str]:
    """The clients that get callmux.

    Raises:
        UsageError: One is not known.
    """
    if wanted == "none":
        return []
    if wanted is None or wanted == "all":
        usable = [kind for kind in KINDS if kind not in scene.unreadable]
        return [kind for kind in usable if installed(kind, scene.machine) or _has_servers(kind, scene)]
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in KINDS[:-1]:
            raise UsageError(f'--clients: "{name}" is not one of {", ".join(KINDS[:-1])}')
        if name in scene.unreadable:
            raise SetupError(scene.unreadable[name])
    return names


def _has_servers(kind: str, scene: Scene) -> bool:
    return any(
        item.file.kind == kind and not item.ours and not item.is_of_a_project_file for item in scene.found
    )
