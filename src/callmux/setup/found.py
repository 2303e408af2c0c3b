"""The MCP servers in clients' files, as they can be moved behind callmux. Pure.

Called by `callmux.cli.setup` with the texts of the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from callmux.clients import codex, editing
from callmux.clients.dialects import DIALECTS, read_entry
from callmux.clients.entry import ClientFileError, Entry, flavour, looks_like_listener

_CLIENT_ONLY = re.compile(r"\$\{(?:workspaceFolder|workspaceFolderBasename|file|command:)[^}]*\}")
_INPUT = re.compile(r"\$\{input:([^}]+)\}")
_USER_HOME = re.compile(r"\$\{userHome\}")
_LITERAL = re.compile(r"\$\{(?=[A-Za-z_])")


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
        project: The directory of the project it is for; None for a server of all projects.
        ours: It is callmux itself: never offered, it would call itself.
        node: It is callmux for Node.
        obstacle: Why it cannot be moved; None where it can.
        notes: What changes with the move, for people.
    """

    name: str
    file: ClientFile
    section: tuple[str, ...]
    entry: Entry
    project: str | None = None
    ours: bool = False
    node: bool = False
    obstacle: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it is, for people."""
        title = editing.title(self.file.kind)
        return f"{title}, {self.project}" if self.project else title


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
                found.append(_found(name, file, section, entry, project, home))
    return found, problems


def _found(
    name: str, file: ClientFile, section: tuple[str, ...], entry: Entry, project: str | None, home: str
) -> Found:
    whose = flavour(entry)
    notes: list[str] = []
    texts = (entry.command or "", *entry.args, entry.url or "", *entry.env.values(), *entry.headers.values())
    obstacle = None
    if any(_CLIENT_ONLY.search(text) for text in texts):
        obstacle = f"it uses a variable that only {editing.title(file.kind)} knows"
    for asked in entry.input_names:
        notes.append(f"needs the variable {variable_name(asked)}, which {editing.title(file.kind)} asked for")
    return Found(
        name=name,
        file=file,
        section=section,
        entry=_spelled(entry, file.kind, home),
        project=project,
        ours=whose is not None or (entry.url is not None and looks_like_listener(name, entry)),
        node=whose == "node",
        obstacle=obstacle,
        notes=tuple(notes),
    )


def variable_name(asked: str) -> str:
    """The environment variable that stands for something a client asks for."""
    return re.sub(r"[^A-Za-z0-9_]", "_", asked).upper()


def _spelled(entry: Entry, kind: str, home: str) -> Entry:
    """The entry in our spelling: a client that knows no variables means its `${...}` as text."""
    literal = kind == "codex" or (DIALECTS[kind].variable is None and kind not in ("vscode", "generic"))

    def spell(text: str) -> str:
        if literal:
            return text if kind == "codex" and text.endswith(":-}") else _LITERAL.sub("$${", text)
        text = _INPUT.sub(lambda match: f"${{{variable_name(match[1])}}}", text)
        return _USER_HOME.sub(lambda _: home, text)

    headers = {key: spell(value) for key, value in entry.headers.items()}
    headers |= {key: f"${{{name}}}" for key, name in entry.env_headers.items()}
    if entry.token_env is not None:
        headers["Authorization"] = f"Bearer ${{{entry.token_env}}}"
    return Entry(
        command=None if entry.command is None else spell(entry.command),
        args=tuple(spell(word) for word in entry.args),
        env={key: spell(value) for key, value in entry.env.items()},
        cwd=entry.cwd,
        url=None if entry.url is None else spell(entry.url),
        transport=entry.transport,
        headers=headers,
        timeout_ms=entry.timeout_ms,
        tools=entry.tools,
        disabled=entry.disabled,
    )
