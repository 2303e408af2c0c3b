"""What setup would write: every file, before and after, and what people should know. Pure.

Called by `callmux.cli.setup` with the answers and the texts of the files; the files are written by
`callmux.clients.changes`.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callmux.clients import codex, editing
from callmux.clients.entry import DEFAULT_NAME, ClientFileError, Entry, own_arguments
from callmux.clients.json_files import without_servers
from callmux.config.notation import parse, set_value, write
from callmux.config.presets import preset_of
from callmux.errors import CallmuxError
from callmux.setup import settings
from callmux.setup.found import ClientFile, Found
from callmux.setup.processes import CwdChoice, can_be_stopped, process_keys
from callmux.setup.servers import Keep, Secrets, server_document


class SetupError(CallmuxError):
    """A setup that cannot be done as it was asked for."""

    code = "setup"


@dataclass(frozen=True, slots=True)
class NewServer:
    """A server that is in no client's file: from the list of known ones, or a custom one.

    Attributes:
        name: What it will be called.
        entry: How it is reached.
        references: Variables that are references already (`env:NAME`, `file:PATH`), by name.
    """

    name: str
    entry: Entry
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the user wants.

    Attributes:
        moved: Servers that go from their client's file into our configuration.
        added: Servers that are new.
        tools: The tools to keep, by server name; all where a name is missing.
        decisions: Which servers get one process for all directories, by the key of a moved one and by the
            name of a new one with `+` before it.
        idle_stop: After how many seconds without use servers that keep nothing are stopped; None for never.
        clients: Clients that get callmux, with the file and the text of it.
        preset: One word for several keys, or `none`; None leaves the setting as it is.
        cache_seconds: How long results are kept; None leaves the setting as it is.
        meta_only: List only the `callmux_*` tools; None leaves the setting as it is.
        fresh: Whether to begin with an empty configuration; the old one is in the backup.
        shared: Whether clients reach a shared listener: entries that lead elsewhere change.
        start: Gives our entry for a client.
        program: Gives the command that starts callmux for a client, for entries that run it through npx.
    """

    moved: Sequence[Found] = ()
    added: Sequence[NewServer] = ()
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decisions: Mapping[str, CwdChoice] = field(default_factory=dict)
    idle_stop: int | None = None
    clients: Sequence[ClientFile] = ()
    preset: str | None = None
    cache_seconds: int | None = None
    meta_only: bool | None = None
    fresh: bool = False
    shared: bool = False
    start: Callable[[str], Entry] = lambda kind: Entry(command="callmux")
    program: Callable[[str], tuple[str, ...]] = lambda kind: ("callmux",)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file.

    Attributes:
        path: Where.
        before: What it holds; None where it is not there.
        after: What it will hold.
        paths: The keys that change, each from the root.
        secret: Whether its content is not to be shown.
        is_schema: Whether it says to editors what a configuration may hold: long, and always the same.
    """

    path: str
    before: str | None
    after: str
    paths: tuple[tuple[str, ...], ...] = ()
    secret: bool = False
    is_schema: bool = False


@dataclass(frozen=True, slots=True)
class SetupPlan:
    """What would be written.

    Attributes:
        files: Every file, secrets first, then the configuration, then the clients' files.
        names: The new name of each server, in the order of `moved` and `added`.
        servers: The new entries by name.
        notes: What people should know.
        attached: The clients that have callmux then.
        preset: The preset that the configuration has then; None for none.
        decisions: Which of the new entries get one process for all directories, by name.
        stoppable: The new entries of servers that are known to keep nothing between calls.
    """

    files: tuple[PlannedFile, ...]
    names: tuple[str, ...]
    servers: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...]
    attached: tuple[str, ...]
    preset: str | None = None
    decisions: Mapping[str, CwdChoice] = field(default_factory=dict)
    stoppable: tuple[str, ...] = ()


def make_plan(
    answers: Answers,
    config_path: str,
    config_text: str | None,
    secrets: Secrets,
    schema: PlannedFile | None = None,
) -> SetupPlan:
    """Says what setup would write.

    Args:
        answers: What the user wants.
        config_path: The configuration, absolute; its name says whether it is JSON or YAML.
        config_text: What it holds; None where it is not there.
        secrets: Collects the secrets; its files become files of the plan.
        schema: The schema beside the configuration, which a new configuration names.

    Raises:
        ClientFileError: A client's file cannot be understood.
        ConfigError: The configuration cannot be understood, or cannot be changed there.
    """
    notes: list[str] = []
    schema_name = None if schema is None else os.path.basename(schema.path)
    is_new = config_text is None or not config_text.strip() or answers.fresh
    text = config_text or ""
    if is_new:
        text = write(config_path, settings.beginning(schema_name, answers.preset))
    section, now = _section(config_path, text)
    taken: dict[str, Any] = dict(now)
    names: list[str] = []
    servers: dict[str, dict[str, Any]] = {}
    definitions: dict[str, Any] = {}
    decisions: dict[str, CwdChoice] = {}
    receivers = {client.kind for client in answers.clients}
    notes += _about_projects(answers.moved, receivers)
    for found in answers.moved:
        plain = server_document(found.name, found.entry, _as_it_is, found.project)
        name = _free(found.name, plain, found.file.kind, taken, definitions)
        if name != found.name:
            notes.append(f'"{found.name}" of {found.place} becomes "{name}": the name is taken')
        names.append(name)
        notes += _about(name, found, receivers)
        if name in servers:
            _take_longer(servers[name], plain)
        if name in definitions or name in taken:
            continue
        definitions[name] = plain
        decided = answers.decisions.get(found.key)
        keys = process_keys(found.entry, decided, answers.idle_stop)
        servers[name] = server_document(name, found.entry, secrets.keep, found.project) | keys
        decisions |= {} if decided is None else {name: decided}
    for new in answers.added:
        plain = server_document(new.name, new.entry, _as_it_is)
        name = _free(new.name, plain, "2", taken, definitions)
        names.append(name)
        if name in definitions or name in taken:
            continue
        definitions[name] = plain
        decided = answers.decisions.get(f"+{new.name}")
        servers[name] = _new_document(name, new, secrets.keep)
        servers[name] |= process_keys(new.entry, decided, answers.idle_stop)
        decisions |= {} if decided is None else {name: decided}
    for name, tools in answers.tools.items():
        if name in servers:
            servers[name]["tools"] = list(tools)
    for name, document in servers.items():
        text = set_value(config_path, text, [section, name], document)
    text = settings.written(config_path, text, answers.preset, answers.cache_seconds, answers.meta_only)
    document = parse(config_path, text)
    notes += settings.notes(document, answers.preset, answers.meta_only)
    config_paths = [(section, name) for name in servers]
    files = [PlannedFile(path, None, f"{value}\n", secret=True) for path, value in secrets.files.items()]
    files.append(PlannedFile(config_path, config_text, text, tuple(config_paths)))
    files += [schema] if schema is not None and is_new else []
    clients, attached = _clients(answers, notes)
    files += clients
    changed = tuple(file for file in files if file.before != file.after)
    entries = [*(item.entry for item in answers.moved), *(item.entry for item in answers.added)]
    stoppable = tuple(
        n for n, entry in zip(names, entries, strict=True) if n in servers and can_be_stopped(entry)
    )
    return SetupPlan(
        changed, tuple(names), servers, tuple(notes), attached, preset_of(document), decisions, stoppable
    )


def _about_projects(moved: Sequence[Found], receivers: Collection[str]) -> list[str]:
    """What others notice who work on a project whose file loses servers."""
    leaving: dict[str, list[str]] = {}
    for found in moved:
        if found.is_of_a_project_file and found.file.kind in receivers:
            leaving.setdefault(found.file.path, []).append(found.name)
    return [
        f"{path} belongs to the project: others who work on it see the change, and lose {', '.join(names)}"
        " unless they have callmux with the same servers"
        for path, names in sorted(leaving.items())
    ]


def _about(name: str, found: Found, receivers: Collection[str]) -> list[str]:
    """What changes for one server, for people."""
    title = editing.title(found.file.kind)
    notes = [f'"{name}" {note}' for note in found.notes]
    if found.project is not None:
        where = f", and it works in {found.project}" if found.entry.command is not None else ""
        notes.append(
            f'"{name}" was for {found.project} only: behind callmux every client has it in every directory'
            + where
        )
    if found.file.kind not in receivers:
        notes.append(f'"{name}" is copied: {title} was not chosen for callmux, so its own entry stays')
    if found.entry.denied:
        notes.append(f'"{name}" keeps its denied tools for all clients: {", ".join(found.entry.denied)}')
    return notes


_TIMES = ("callTimeoutMs", "connectTimeoutMs")
_PROCESSES = ("cwdMode", "start", "idleStopSeconds")


def _identity(document: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a server the same as another one."""
    return {key: value for key, value in document.items() if key not in (*_TIMES, *_PROCESSES)}


def _take_longer(document: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Two entries become one: the longer time-outs count."""
    for key in _TIMES:
        if key in other:
            document[key] = max(other[key], document.get(key, 0))


def _new_document(name: str, new: NewServer, keep: Keep) -> dict[str, Any]:
    document = server_document(name, new.entry, keep)
    if new.references:
        document["envRefs"] = {**document.get("envRefs", {}), **new.references}
    return document


def _as_it_is(secret: Any) -> str:
    """For comparing two entries: the value itself, which is written nowhere."""
    return f"file:{secret.value}"


def _section(path: str, text: str) -> tuple[str, Mapping[str, Any]]:
    """The key that servers are under, and what is there now."""
    document = parse(path, text)
    if not isinstance(document, dict):
        raise SetupError("the configuration is not an object: correct it, or choose --fresh")
    section = "mcpServers" if "mcpServers" in document and "servers" not in document else "servers"
    return section, document.get(section) or {}


def _free(name: str, plain: Any, more: str, taken: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """The name itself where it is free or means the same server already; else another."""
    number = 1
    candidate = name
    while True:
        if candidate in definitions:
            if _identity(definitions[candidate]) == _identity(plain):
                return candidate
        elif candidate not in taken or _identity(taken[candidate]) == _identity(plain):
            return candidate
        candidate = f"{name}-{more}" if number == 1 else f"{name}-{more}-{number}"
        number += 1


def _clients(answers: Answers, notes: list[str]) -> tuple[list[PlannedFile], tuple[str, ...]]:
    """The clients' files: moved servers are out, callmux is in."""
    files: dict[str, ClientFile] = {}
    texts: dict[str, str] = {}
    paths: dict[str, list[tuple[str, ...]]] = {}
    receivers = {client.kind for client in answers.clients}
    for found in answers.moved:
        file = found.file
        if file.kind not in receivers:
            # It would lose its server and get nothing for it.
            continue
        files[file.path] = file
        text = texts.get(file.path, file.text)
        try:
            if file.kind == "codex":
                text = codex.without_servers(text, [found.name])
            else:
                text = without_servers(text, found.section, (found.name,))
        except ClientFileError as error:
            where = f'"{found.name}" cannot be moved out of {file.path}'
            raise SetupError(f"{where}: {error.message}. Leave it where it is (--move)") from None
        texts[file.path] = text
        paths.setdefault(file.path, []).append((*found.section, found.name))
    attached = []
    for client in answers.clients:
        files.setdefault(client.path, client)
        text = texts.get(client.path, client.text)
        try:
            text, changed = _entered(client, text, answers, notes)
        except ClientFileError as error:
            if any(found.file.kind == client.kind for found in answers.moved):
                # It would lose its servers and get nothing for them.
                raise SetupError(
                    f"{client.path} {error.message}. Or leave its servers there (--move)"
                ) from None
            notes.append(f"{client.path} {error.message}")
            continue
        attached.append(client.kind)
        texts[client.path] = text
        paths.setdefault(client.path, []).extend(changed)
    return [
        PlannedFile(path, file.text or None, texts[path], tuple(paths[path]))
        for path, file in files.items()
        if path in texts
    ], tuple(attached)


def _entered(
    client: ClientFile, text: str, answers: Answers, notes: list[str]
) -> tuple[str, list[tuple[str, ...]]]:
    """The text with callmux in it, under the name that it has there already, and the keys that changed."""
    section, servers = next(iter(editing.sections(client.kind, text).items()))
    title = editing.title(client.kind)
    own = [name for name, raw in servers.items() if editing.flavour_of(client.kind, raw)]
    kept = _stays(client.kind, servers, own, answers)
    if kept is not None:
        old = editing.node_entries(client.kind, text)
        notes.append(f'{title} has callmux as "{kept}" already: that entry keeps its name and arguments')
        return editing.upgrade(client.kind, text, answers.program(client.kind)).text, old
    edit = editing.attach(
        client.kind, text, DEFAULT_NAME, answers.start(client.kind), lambda name, raw: False
    )
    if edit.note:
        notes.append(f"{title}: {edit.note}")
    return edit.text, [(*section, DEFAULT_NAME)]


def _stays(kind: str, servers: Mapping[str, Any], own: Sequence[str], answers: Answers) -> str | None:
    """The entry for callmux that is there and says more than ours would, or has another name."""
    if not own or (DEFAULT_NAME in servers and DEFAULT_NAME not in own):
        return None
    if DEFAULT_NAME not in own:
        return own[0]
    entry = editing.entry_of(kind, servers[DEFAULT_NAME])
    found = None if entry is None else own_arguments(entry)
    # With a listener it was said how clients are to reach callmux.
    return DEFAULT_NAME if found and found[1] and not answers.shared else None


def probe_documents(answers: Answers, keep: Keep) -> dict[str, dict[str, Any]]:
    """The entries of all servers as they are now, for asking them, by a name of their own each."""
    found = {
        f"{number}:{item.name}": server_document(item.name, item.entry, keep, item.project)
        for number, item in enumerate(answers.moved)
    }
    added = {
        f"+{number}:{item.name}": _new_document(item.name, item, keep)
        for number, item in enumerate(answers.added)
    }
    return found | added
