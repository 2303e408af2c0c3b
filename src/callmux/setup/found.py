"""The MCP servers in clients' files, as they can be moved behind callmux. Pure.

Called by `callmux.setup.scene` with the texts of the files. Whether a server moves depends on other clients
and on settings, too: `callmux.setup.judging`.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from callmux.clients import codex, editing
from callmux.clients.dialects import DIALECTS, read_entry
from callmux.clients.entry import ClientFileError, Entry, flavour, looks_like_listener
from callmux.clients.keys import judge
from callmux.config.redact import mask_command, mask_url
from callmux.text import visible

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_INPUT = re.compile(r"\$\{input:([^}]+)\}")
_USER_HOME = re.compile(r"\$\{userHome\}")
_LITERAL = re.compile(r"\$\{(?=[A-Za-z_])")
_DOLLAR = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_KNOWN = {
    "cursor": re.compile(rf"env:{_NAME}|userHome"),
    "vscode": re.compile(rf"env:{_NAME}|input:.+|userHome"),
    "windsurf": re.compile(rf"env:{_NAME}|file:/.+"),
    "claude": re.compile(rf"(?!CLAUDE_PROJECT_DIR|CLAUDE_PLUGIN_ROOT){_NAME}(:-.*)?"),
    "gemini": re.compile(rf"(?!extensionPath|workspacePath){_NAME}(:-.*)?"),
}
"""What a client may write inside of `${}` that callmux can fill in as well; everything else only it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFile:
    """A file to look into.

    Attributes:
        kind: The client it belongs to.
        path: Where it is.
        text: What it holds.
        project: The directory of the project it belongs to; None for a user's file.
    """

    kind: str
    path: str
    text: str
    project: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A server in a client's file.

    Attributes:
        name: As it is called there.
        file: The file.
        section: The path of the section of the file that has it.
        entry: What it says, in our own spelling of variables.
        plain: What it says, as the client itself reads it.
        project: The directory of the project it is for; None for a server of all projects.
        ours: Whether it is callmux itself: never offered, it would call itself.
        node: Whether it is callmux for Node.
        obstacle: Why it cannot be moved, by its own entry; None where it can.
        restricted: Whether its entry may restrict what the agent can do with it, in a way that callmux
            cannot.
        notes: What changes with the move, for people.
    """

    name: str
    file: ClientFile
    section: tuple[str, ...]
    entry: Entry
    plain: Entry | None = None
    project: str | None = None
    ours: bool = False
    node: bool = False
    obstacle: str | None = None
    restricted: bool = False
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        title = editing.title(self.file.kind)
        return f"{title}, {self.project}" if self.project else title

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return "\n".join([self.file.path, *self.section, self.name])

    @property
    def is_of_a_project_file(self) -> bool:
        """Whether others may have written it: nothing of it runs before its file was approved."""
        return self.file.project is not None


def find_servers(files: Iterable[ClientFile], home: str) -> tuple[list[Found], list[str]]:
    """All servers of all files in order, and what could not be read: file, entry and reason."""
    found: list[Found] = []
    problems: list[str] = []
    for file in files:
        try:
            sections = editing.sections(file.kind, file.text)
        except ClientFileError as error:
            problems.append(f"{file.path}: {error.message}")
            continue
        for section, servers in sections.items():
            project = section[1] if section[0] == "projects" else file.project
            for name, raw in servers.items():
                try:
                    entry = (codex.read_entry if file.kind == "codex" else read_entry)(raw)
                except ClientFileError as error:
                    problems.append(f"{file.path}: {'.'.join([*section, name])} {error.message}")
                    continue
                found.append(_found(name, file, section, entry, raw, project, home))
    return found, problems


def _found(
    name: str,
    file: ClientFile,
    section: tuple[str, ...],
    entry: Entry,
    raw: Mapping[str, Any],
    project: str | None,
    home: str,
) -> Found:
    whose = flavour(entry)
    title = editing.title(file.kind)
    judgement = judge(file.kind, raw)
    reasons = [*judgement.reasons, *_unknown_variables(raw, file.kind, title), *_places(entry, project)]
    asked = [
        f"needs the variable {variable_name(item)}, which {title} asked for" for item in entry.input_names
    ]
    return Found(
        name=name,
        file=file,
        section=section,
        entry=_spelled(entry, file.kind, home, project),
        plain=entry,
        project=project,
        ours=whose is not None or (entry.url is not None and looks_like_listener(name, entry)),
        node=whose == "node",
        obstacle="; ".join(reasons) or None,
        restricted=judgement.restricts,
        notes=(*asked, *judgement.notes),
    )


def _unknown_variables(raw: Mapping[str, Any], kind: str, title: str) -> list[str]:
    known = _KNOWN.get(kind)
    if known is None:
        return []
    used = {inside for text in _texts(raw) for inside in _REFERENCE.findall(text)}
    unknown = sorted(inside for inside in used if not known.fullmatch(inside))
    return [f"it uses a variable that only {title} knows (${{{inside}}})" for inside in unknown[:1]]


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _texts(item)


def _places(entry: Entry, project: str | None) -> list[str]:
    """Paths that count from where the client itself was started."""
    path = entry.env_file
    if path is None or project is not None or path.startswith(("~", "${")) or os.path.isabs(path):
        return []
    return [f'its envFile "{path}" counts from the directory of the client']


def variable_name(asked: str) -> str:
    """The environment variable that stands for something a client asks for."""
    return re.sub(r"[^A-Za-z0-9_]", "_", asked).upper()


def _spelled(entry: Entry, kind: str, home: str, project: str | None) -> Entry:
    """The entry in our spelling: a client that knows no variables means its `${...}` as text."""
    literal = kind == "codex" or (DIALECTS[kind].variable is None and kind not in ("vscode", "generic"))

    def spell(text: str) -> str:
        if literal:
            return text if kind == "codex" and text.endswith(":-}") else _LITERAL.sub("$${", text)
        if kind == "gemini":
            text = _DOLLAR.sub(r"${\1}", text)
        text = _INPUT.sub(lambda match: f"${{{variable_name(match[1])}}}", text)
        return _USER_HOME.sub(lambda _: home, text)

    headers = {key: spell(value) for key, value in entry.headers.items()}
    headers |= {key: f"${{{name}}}" for key, name in entry.env_headers.items()}
    if entry.token_env is not None:
        headers["Authorization"] = f"Bearer ${{{entry.token_env}}}"
    env_file = None if entry.env_file is None else spell(entry.env_file)
    if env_file is not None and project is not None and not env_file.startswith(("~", "${")):
        env_file = os.path.normpath(os.path.join(project, env_file))
    return replace(
        entry,
        command=None if entry.command is None else spell(entry.command),
        args=tuple(spell(word) for word in entry.args),
        env={key: spell(value) for key, value in entry.env.items()},
        cwd=None if entry.cwd is None else spell(entry.cwd),
        url=None if entry.url is None else spell(entry.url),
        headers=headers,
        env_headers={},
        token_env=None,
        env_file=env_file,
        input_names=(),
    )


def how(found: Found) -> str:
    """How a server is reached, without its secrets."""
    entry = found.entry
    text = mask_url(entry.url) if entry.url else " ".join(mask_command([entry.command or "", *entry.args]))
    return visible(text)
