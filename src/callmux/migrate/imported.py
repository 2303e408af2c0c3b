"""The servers of a file that some other program wrote, to be taken over into our configuration.

Called by `callmux.cli.migrate` with the text: any file with `mcpServers` or `servers` (JSON, with comments or
not, or YAML), a `config.toml` of Codex, and the export of MetaMCP. What could not be kept whole is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from callmux.clients import codex
from callmux.clients.dialects import read_entry
from callmux.clients.entry import ClientFileError, Entry, flavour
from callmux.clients.keys import KEYS, ClientKey, judge
from callmux.config.notation import parse
from callmux.errors import CallmuxError
from callmux.migrate.plan import Item

_TYPES = {"streamable_http": "http", "streamable-http": "http", "streamablehttp": "http"}
"""Other spellings of the kind of server, in lower case."""
_METAMCP = (
    ClientKey(
        "bearerToken", "the token for the address", "rewritten", "a header; the token goes into a file"
    ),
    ClientKey("description", "a text for people", "left out", "nothing acts on it"),
    ClientKey("transport", "the kind of server", "carried", "`transport`"),
)


class NotUnderstood(CallmuxError):
    """A file that holds no list of servers."""

    code = "not_understood"


def imported(path: str, text: str) -> tuple[list[tuple[str, Entry]], list[Item]]:
    """The servers that can be taken over, and what becomes of each.

    Raises:
        NotUnderstood: The file holds no servers.
        ConfigError: It cannot be read.
        ClientFileError: It is no TOML.
    """
    kind, servers = _servers(path, text)
    taken: list[tuple[str, Entry]] = []
    items: list[Item] = []
    for name, raw in servers.items():
        try:
            entry, notes = _entry(kind, raw)
        except ClientFileError as error:
            items.append(Item(f'server "{name}"', path, "look", f"left out: it {error.message}"))
            continue
        if flavour(entry) is not None:
            items.append(Item(f'server "{name}"', path, "stays", "it is callmux itself"))
            continue
        taken.append((name, entry))
        why = "taken over" + "".join(f"; it {note}" for note in notes)
        items.append(Item(f'server "{name}"', path, "changes", why))
    return taken, items


def _servers(path: str, text: str) -> tuple[str, Mapping[str, Any]]:
    if path.endswith(".toml"):
        return "codex", codex.read_servers(text)
    document = parse(path, text) if text.strip() else None
    for section in ("mcpServers", "servers"):
        found = document.get(section) if isinstance(document, Mapping) else None
        if isinstance(found, Mapping) and found:
            return "generic", found
        if isinstance(found, list) and found:
            return "generic", {str(item["name"]): item for item in found if _is_named(item)}
    raise NotUnderstood(f'"{path}" has no servers: neither "mcpServers" nor "servers" is there')


def _is_named(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("name"), str)


def _entry(kind: str, raw: Any) -> tuple[Entry, list[str]]:
    """The server, and what is left out.

    Raises:
        ClientFileError: It is none, or says more than can be kept.
    """
    if kind == "codex":
        entry = codex.read_entry(raw)
        judgement = judge("codex", raw)
        reasons, notes = list(judgement.reasons), list(judgement.notes)
    else:
        if not isinstance(raw, Mapping):
            raise ClientFileError("is not an object")
        reasons, notes = _judged(raw)
        said = str(raw.get("type") or raw.get("transport") or "").lower()
        entry = read_entry({**raw, "type": _TYPES.get(said, said)})
        token = raw.get("bearerToken")
        if isinstance(token, str) and token:
            entry = replace(entry, headers={**entry.headers, "Authorization": f"Bearer {token}"})
    reasons += [f"it uses a variable that only its own program knows ({name})" for name in _foreign(raw)]
    if reasons:
        raise ClientFileError(f"says more than callmux can keep: {'; '.join(reasons)}")
    return entry, notes


_FOREIGN = re.compile(r"\$\{(?:input:[^}]*|workspace\w*|fileWorkspaceFolder|extensionPath|userHome)\}")


def _foreign(value: Any) -> list[str]:
    """The variables in an entry that callmux cannot fill in, each once."""
    if isinstance(value, str):
        return list(dict.fromkeys(_FOREIGN.findall(value)))
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(name for item in items for name in _foreign(item)))


def _judged(raw: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Whose file it is cannot be told, so that a key counts as the strictest client means it."""
    tables = [keys for kind, keys in KEYS.items() if kind != "codex"]
    reasons: list[str] = []
    notes: list[str] = []
    for name, value in raw.items():
        known = list(_meanings(name, (*tables, _METAMCP)))
        if not known and name != "name":
            reasons.append(f'its key "{name}" is not known to callmux')
        for key in known:
            if key.outcome == "stays" and not key.harmless(value):
                reasons.append(f'its key "{name}": {key.becomes}')
            elif key.outcome == "left out":
                notes.append(f'loses its key "{name}"')
    return list(dict.fromkeys(reasons)), list(dict.fromkeys(notes))


def _meanings(name: str, tables: Iterable[tuple[ClientKey, ...]]) -> Iterable[ClientKey]:
    return (key for keys in tables for key in keys if key.name == name)
