"""The overlay: servers that were added, changed and removed while callmux ran, beside the configuration file.

Read by `callmux.config.load`, made and saved by `callmux.management.changes`. Entries stand in it as they
were written: references stay references. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from callmux.config.check import check_server
from callmux.errors import ConfigError

VERSION = 1


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """What lies over the servers of a file.

    Attributes:
        entries: Each server's whole entry by its name; None for one that is removed.
        updated_at: When it changed last.
    """

    entries: dict[str, dict[str, Any] | None] = {}
    updated_at: str | None = None

    def over(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration file with these servers in place of its own."""
        if not self.entries:
            return dict(document)
        key = "mcpServers" if document.get("servers") is None and "mcpServers" in document else "servers"
        servers: dict[str, Any] = dict(document.get(key) or {})
        for name, entry in self.entries.items():
            if entry is None:
                servers.pop(name, None)
            else:
                servers[name] = entry
        return {**document, key: servers}

    def with_entry(self, name: str, entry: dict[str, Any] | None, at: str) -> Overlay:
        """The same after one more change; None removes the server."""
        return Overlay(entries={**self.entries, name: entry}, updated_at=at)

    def dump(self) -> bytes:
        """The text of its file."""
        servers = {
            name: {"deleted": True} if entry is None else {"config": entry}
            for name, entry in self.entries.items()
        }
        document: dict[str, Any] = {"version": VERSION, "servers": servers}
        if self.updated_at is not None:
            document["updatedAt"] = self.updated_at
        return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read_overlay(document: object, where: str) -> Overlay:
    """What a parsed overlay file says.

    Args:
        where: Names the file in messages.

    Raises:
        ConfigError: It cannot be used; names every problem.
    """
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ConfigError([f"{where}: must be an object with version {VERSION}"])
    servers = document.get("servers", {})
    if not isinstance(servers, dict):
        raise ConfigError([f"{where}: servers must be an object"])
    problems: list[str] = []
    entries: dict[str, dict[str, Any] | None] = {}
    for name, given in servers.items():
        place = f"{where}: servers.{name}"
        if not isinstance(given, dict):
            problems.append(f"{place} must be an object")
            continue
        deleted, entry = given.get("deleted", False), given.get("config")
        if not isinstance(deleted, bool):
            problems.append(f"{place}.deleted must be true or false")
        elif deleted:
            entries[name] = None
        elif not isinstance(entry, dict):
            problems.append(f'{place} must have "config" or "deleted": true')
        else:
            problems += check_server(entry, f"{place}.config")[1]
            entries[name] = entry
    if problems:
        raise ConfigError(problems)
    updated = document.get("updatedAt")
    return Overlay(entries=entries, updated_at=updated if isinstance(updated, str) else None)
