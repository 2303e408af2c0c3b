"""What stays and what changes when this callmux takes over from the one for Node. Touches nothing.

Called by `callmux.cli.migrate` with what `callmux.migrate.state` found, and with functions for what only this
machine knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from callmux.bridge.endpoint import read_endpoint
from callmux.clients import editing
from callmux.clients.entry import ClientFileError, own_arguments
from callmux.config.check import check_document
from callmux.config.notation import parse
from callmux.errors import ConfigError, UsageError
from callmux.migrate.state import FoundFile, MigrationState
from callmux.migrate.units import OldUnit, read_unit

PRIVATE = 0o600
Verdict = Literal["stays", "changes", "look"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was found.

    Attributes:
        what: What it is.
        path: The file.
        verdict: `stays` as it is, `changes`, or somebody has to `look` at it.
        why: What happens, or what is to be done.
    """

    what: str
    path: str
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that changes.

    Attributes:
        path: Where.
        before: What it holds; None where it is not there.
        after: What it will hold.
        paths: The keys that change.
        mode: The mode that it gets; None for the one it has.
    """

    path: str
    before: str | None
    after: str
    paths: tuple[tuple[str, ...], ...] = ()
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """All of it.

    Attributes:
        items: What was found, in order.
        files: What would be written.
        after: Commands to run by hand when it is done.
    """

    items: tuple[Item, ...]
    files: tuple[NewFile, ...]
    after: tuple[str, ...]


def make_plan(
    state: MigrationState,
    start: Callable[[str], tuple[str, ...]],
    unit: Callable[[str, OldUnit], str | None],
    also: Collection[str] = (),
) -> MigrationPlan:
    """Says what stays and what changes.

    Args:
        state: What was found.
        start: The command that starts this callmux, by client.
        unit: The text of our service file for one of the original's, by its path; None where there is none.
        also: Commands that lead to callmux for Node on this machine.
    """
    items: list[Item] = [Item("file", "", "look", problem) for problem in state.problems]
    files: list[NewFile] = []
    after: list[str] = []
    items.append(_config(state))
    _private(state.overlay, "changes made at run time", "they hold settings of servers", items, files)
    if state.overlay is not None:
        items.append(_overlay(state.overlay))
    for file, what in ((state.metrics, "history of the counters"), (state.events, "database of calls")):
        if file is not None:
            items.append(Item(what, str(file.path), "stays", "left where it is"))
    _token(state, items, files)
    _units(state, unit, items, files, after)
    _clients(state, start, also, items, files)
    return MigrationPlan(tuple(items), tuple(files), tuple(after))


def _config(state: MigrationState) -> Item:
    path = str(state.config_path)
    if state.config is None:
        return Item("configuration", path, "look", 'not there: "callmux setup" or "callmux init" makes one')
    try:
        checked = check_document(parse(path, state.config.text or ""))
    except ConfigError as error:
        return Item("configuration", path, "look", error.message.removeprefix(f"{path}: "))
    if checked.errors:
        return Item("configuration", path, "look", "; ".join(checked.errors))
    count = len(checked.config.servers)
    why = f"the same file and format: {count} server{'' if count == 1 else 's'}"
    if checked.warnings:
        return Item("configuration", path, "look", "; ".join([why, *checked.warnings]))
    return Item("configuration", path, "stays", why)


def _overlay(file: FoundFile) -> Item:
    what, path = "changes made at run time", str(file.path)
    try:
        document = json.loads(file.text or "")
    except (ValueError, RecursionError):
        return Item(what, path, "look", "it is not valid JSON: correct or remove it")
    version = document.get("version") if isinstance(document, dict) else None
    if version != 1:
        says = "it has no version" if version is None else f"its version is {json.dumps(version)}"
        return Item(what, path, "look", f"{says}, and only 1 is known: remove it where it is not needed")
    servers = document.get("servers")
    count = len(servers) if isinstance(servers, dict) else 0
    return Item(what, path, "stays", f"the same file and format: {count} servers")


def _private(file: FoundFile | None, what: str, why: str, items: list[Item], files: list[NewFile]) -> None:
    """A file with secrets that others may read is closed."""
    if file is None or file.text is None or not file.mode & 0o077:
        return
    items.append(Item(what, str(file.path), "changes", f"others could read it ({why}): mode {PRIVATE:o}"))
    files.append(NewFile(str(file.path), file.text, file.text, mode=PRIVATE))


def _token(state: MigrationState, items: list[Item], files: list[NewFile]) -> None:
    token = state.token
    if token is None or not (token.text or "").strip():
        return
    what, path = "token for the shell commands and the bridge", str(token.path)
    _private(token, what, "it is a credential", items, files)
    if state.origin is not None:
        items.append(Item(what, path, "stays", f"for {(state.origin.text or '').strip()}"))
        return
    origins = sorted({origin for kind, file in state.clients for origin in _origins(kind, file)})
    if len(origins) == 1:
        items.append(Item(what, path, "changes", f"it will be sent to {origins[0]} only"))
        files.append(NewFile(f"{path}.origin", None, f"{origins[0]}\n"))
    elif all(read_endpoint(origin).is_loopback for origin in origins):
        items.append(Item(what, path, "stays", "it will be sent to listeners on this machine only"))
    else:
        why = (
            f"clients name {', '.join(origins)}, and it will be sent to listeners on this machine only: bind"
            ' it with "callmux client attach CLIENT --url URL --token-file PATH --yes"'
        )
        items.append(Item(what, path, "look", why))


def _origins(kind: str, file: FoundFile) -> set[str]:
    """The listeners that a client's entries lead to."""
    found = set()
    for servers in _sections(kind, file).values():
        for raw in servers.values():
            entry = editing.entry_of(kind, raw)
            own = None if entry is None else own_arguments(entry)
            words = own[1] if own else ()
            url = words[words.index("--url") + 1] if "--url" in words[:-1] else None
            try:
                found |= {read_endpoint(url).origin} if url else set()
            except UsageError:
                continue
    return found


def _sections(kind: str, file: FoundFile) -> dict[tuple[str, ...], dict[str, Any]]:
    try:
        return editing.sections(kind, file.text or "")
    except ClientFileError:
        return {}


def _units(
    state: MigrationState,
    unit: Callable[[str, OldUnit], str | None],
    items: list[Item],
    files: list[NewFile],
    after: list[str],
) -> None:
    for path, file in state.units.items():
        old = read_unit(file.text or "")
        if old is None:
            continue
        text = unit(str(path), old)
        if text is None:
            items.append(
                Item(
                    "service",
                    str(path),
                    "look",
                    'it runs callmux for Node: "callmux daemon install" replaces it',
                )
            )
            continue
        items.append(Item("service", str(path), "changes", f"it runs this callmux, still on port {old.port}"))
        files.append(NewFile(str(path), file.text, text))
        if path.suffix == ".plist":
            after.append(f"launchctl bootout gui/$(id -u) {path}; launchctl bootstrap gui/$(id -u) {path}")
        else:
            scope = "--user " if ".config" in path.parts else ""
            after.append(f"systemctl {scope}daemon-reload && systemctl {scope}restart {path.name}")


def _clients(
    state: MigrationState,
    start: Callable[[str], tuple[str, ...]],
    also: Collection[str],
    items: list[Item],
    files: list[NewFile],
) -> None:
    for kind, file in state.clients:
        title, text = editing.title(kind), file.text or ""
        try:
            found = editing.node_entries(kind, text, also)
            if not found:
                continue
            new = editing.upgrade(kind, text, start(kind), also).text
        except ClientFileError as error:
            items.append(Item(f"entry of {title}", str(file.path), "look", error.message))
            continue
        names = ", ".join(path[-1] for path in found)
        why = f"{names}: runs this callmux, with the same arguments"
        items.append(Item(f"entry of {title}", str(file.path), "changes", why))
        files.append(NewFile(str(file.path), file.text, new, tuple(found)))
