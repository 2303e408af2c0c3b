"""Entering callmux into a client's file, taking it out, saying how it stands: one door for all clients. Pure.

Called by `callmux.cli.client`, `callmux.setup` and `callmux.migrate` with the text of the file. Only our own
entry is ever touched: a foreign one of the same name is an error that says what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from callmux.clients import codex, json_files
from callmux.clients.dialects import CLIENTS, DIALECTS, read_entry
from callmux.clients.entry import ClientFileError, Entry, flavour, looks_like_listener, own_arguments
from callmux.config.json_text import parse_json

Known = Callable[[str, Any], bool]
"""Whether the entry of that name, as it stands in the file, is as callmux wrote it: see the ledger."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a file becomes.

    Attributes:
        text: The new text; the old one where nothing changes.
        note: What the user should know beside that; None for nothing.
    """

    text: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How our entry stands in a file.

    Attributes:
        word: `absent`, `configured`, `configured_managed`, `different_entry`, `managed_mismatch`,
            `unmanaged_entry` or `invalid`.
        details: Why; None where the word says it all.
    """

    word: str
    details: str | None = None

    @property
    def configured(self) -> bool:
        return self.word in ("configured", "configured_managed")


def title(kind: str) -> str:
    """The client's name for people."""
    return CLIENTS[kind].title


def has_poor_path(kind: str) -> bool:
    """Whether the client needs the whole path of a program."""
    return CLIENTS[kind].poor_path


def reload_hint(kind: str) -> str:
    """What makes the client read its file again."""
    return CLIENTS[kind].reload


def attach(kind: str, text: str, name: str, entry: Entry, known: Known) -> Edit:
    """The file with our entry.

    Raises:
        ClientFileError: Somebody else's entry has that name, or the file cannot be understood.
    """
    if kind == "codex":
        return _attach_codex(text, name, entry, known)
    dialect = DIALECTS[kind]
    servers = json_files.read_servers(dialect, text)
    if name not in servers:
        return Edit(json_files.with_entry(dialect, text, name, entry))
    raw = servers[name]
    if json_files.fits(dialect, raw, entry):
        return Edit(text)
    if not _is_ours(name, raw, known):
        raise ClientFileError(
            f'has an entry "{dialect.section}.{name}" that is not callmux\'s: it is left alone.'
            " Rename or remove it there, or choose another --name"
        )
    note = _NODE_NOTE if _flavour(raw) == "node" else None
    return Edit(json_files.with_entry(dialect, text, name, entry), note)


_NODE_NOTE = "The entry there ran callmux for Node; what it was is in the backup."


def _attach_codex(text: str, name: str, entry: Entry, known: Known) -> Edit:
    raw = codex.read_servers(text).get(name)
    if raw is not None and not codex.is_managed(text, name) and _flavour(raw, codex.read_entry) == "node":
        return Edit(codex.with_entry(codex.without_servers(text, [name]), name, entry), _NODE_NOTE)
    return Edit(codex.with_entry(text, name, entry, known=raw is not None and known(name, raw)))


def detach(kind: str, text: str, name: str, known: Known) -> Edit:
    """The file without our entry; as it was where there is none.

    Raises:
        ClientFileError: Somebody else's entry has that name, or the file cannot be understood.
    """
    if kind == "codex":
        raw = codex.read_servers(text).get(name)
        if raw is not None and not codex.is_managed(text, name) and _flavour(raw, codex.read_entry) == "node":
            return Edit(codex.without_servers(text, [name]), _NODE_NOTE)
        return Edit(codex.without_entry(text, name, known=raw is not None and known(name, raw)))
    dialect = DIALECTS[kind]
    servers = json_files.read_servers(dialect, text)
    if name in servers and not _is_ours(name, servers[name], known):
        raise ClientFileError(
            f'has an entry "{dialect.section}.{name}" that is not callmux\'s: refusing to remove it'
        )
    return Edit(json_files.without_entry(dialect, text, name))


def status(
    kind: str,
    text: str,
    name: str,
    entry: Entry,
    known: Known = lambda name, raw: False,
    *,
    any_way: bool = False,
) -> Status:
    """How our entry stands, against what is expected.

    Args:
        any_way: Whether nothing was said about how the client is to reach callmux: an entry that starts this
            very program is right with any arguments, and so is an address that callmux wrote.
    """
    try:
        if any_way:
            raw = next(iter(sections(kind, text).values())).get(name)
            found = None if raw is None else _expected(kind, name, raw, entry, known)
            entry = entry if found is None else found
        if kind == "codex":
            return _codex_status(text, name, entry, known)
        dialect = DIALECTS[kind]
        servers = json_files.read_servers(dialect, text)
        if name not in servers:
            return Status("absent", _elsewhere(servers))
        if json_files.fits(dialect, servers[name], entry):
            return Status("configured")
        return Status("different_entry", _difference(servers[name]))
    except ClientFileError as error:
        return Status("invalid", error.message)


def _expected(kind: str, name: str, raw: Any, entry: Entry, known: Known) -> Entry | None:
    """What an entry says that leads to this callmux in another way than `entry`; None where it does not."""
    there = entry_of(kind, raw)
    if there is None:
        return None
    if there.url is not None:
        return there if known(name, raw) else None
    ours, wanted = own_arguments(there), own_arguments(entry)
    if ours is None or wanted is None or ours[0] != "python" or there.command != entry.command:
        return None
    return there if not ours[1] or ours[1][0] in ("bridge", "--config") else None


def _codex_status(text: str, name: str, entry: Entry, known: Known) -> Status:
    servers = codex.read_servers(text)
    if name not in servers:
        return Status("absent", _elsewhere(servers, codex.read_entry))
    if not codex.is_managed(text, name) and not known(name, servers[name]):
        what = _difference(servers[name], codex.read_entry)
        return Status("unmanaged_entry", f"not between callmux's markers; {what}")
    if codex.fits(servers[name], entry):
        return Status("configured_managed")
    return Status("managed_mismatch", "differs from what attach would write")


def _difference(raw: Any, read: Callable[[Any], Entry] | None = None) -> str:
    whose = _flavour(raw, read)
    if whose == "node":
        return 'runs callmux for Node: "callmux client upgrade" replaces that and keeps its arguments'
    return "differs from what attach would write" if whose else "is not callmux's"


def _elsewhere(servers: dict[str, Any], read: Callable[[Any], Entry] | None = None) -> str | None:
    """Entries of other names that start callmux."""
    names = [name for name, raw in servers.items() if _flavour(raw, read)]
    if not names:
        return None
    return f"callmux is there under another name: {', '.join(names)}"


def node_entries(kind: str, text: str, also: Collection[str] = ()) -> list[tuple[str, ...]]:
    """The paths of all entries that run callmux for Node, in every section the file has.

    Args:
        also: Commands that lead to callmux for Node on this machine, such as `callmux` itself.

    Raises:
        ClientFileError: The file cannot be understood.
    """
    return [
        (*section, name)
        for section, servers in sections(kind, text).items()
        for name, raw in servers.items()
        if flavour_of(kind, raw) == "node" or (flavour_of(kind, raw) and raw.get("command") in also)
    ]


def sections(kind: str, text: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Every place of a file that holds servers: its path and the raw entries by name.

    Claude Code's file has one for the user and one for each project.

    Raises:
        ClientFileError: The file cannot be understood.
    """
    if kind == "codex":
        return {(codex.SECTION,): codex.read_servers(text)}
    dialect = DIALECTS[kind]
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    found[(dialect.section,)] = json_files.read_servers(dialect, text)
    if kind == "claude" and text.strip():
        projects = parse_json(text).get("projects")
        for path, project in projects.items() if isinstance(projects, dict) else ():
            servers = project.get("mcpServers") if isinstance(project, dict) else None
            if isinstance(servers, dict) and servers:
                found["projects", str(path), "mcpServers"] = servers
    return found


def upgrade(kind: str, text: str, start: tuple[str, ...], also: Collection[str] = ()) -> Edit:
    """The file with every entry that runs callmux for Node running this one, with the same arguments.

    Args:
        start: The command that starts this callmux.
        also: As for `node_entries`.

    Raises:
        ClientFileError: The file cannot be understood.
    """
    places = sections(kind, text)
    for path in node_entries(kind, text, also):
        raw = places[path[:-1]][path[-1]]
        found = own_arguments(codex.read_entry(raw) if kind == "codex" else read_entry(raw))
        assert found is not None  # It starts a callmux.
        command, args = start[0], [*start[1:], *found[1]]
        if kind == "codex":
            text = codex.with_command(text, path[-1], command, args)
        else:
            text = json_files.edited(text, (*path, "command"), command)
            text = json_files.edited(text, (*path, "args"), args)
    return Edit(text)


def entry_of(kind: str, raw: Any) -> Entry | None:
    """What a raw entry says; None where it cannot be understood."""
    try:
        return codex.read_entry(raw) if kind == "codex" else read_entry(raw)
    except ClientFileError:
        return None


def flavour_of(kind: str, raw: Any) -> str | None:
    """Which callmux a raw entry starts; None where it starts something else."""
    return _flavour(raw, codex.read_entry if kind == "codex" else None)


def _is_ours(name: str, raw: Any, known: Known) -> bool:
    if known(name, raw) or _flavour(raw):
        return True
    entry = entry_of("generic", raw)
    return entry is not None and looks_like_listener(name, entry)


def _flavour(raw: Any, read: Callable[[Any], Entry] | None = None) -> str | None:
    try:
        entry = (read or read_entry)(raw)
    except ClientFileError:
        return None
    return flavour(entry)
