"""Puts one changed server entry into the configuration file.

Called by `callmux.cli.server_edit` and `callmux.cli.server_switch`. The text is edited by
`callmux.config.notation`; a configuration that would not load is never written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callmux.cli.init import empty_document, write_schema
from callmux.cli.parsing import nearest
from callmux.cli.saving import edit_text
from callmux.config.check import check_document, check_server
from callmux.config.duplicate_keys import duplicates
from callmux.config.load import MAKE_ONE, find_config, target_config
from callmux.config.notation import delete_value, is_yaml, parse, set_value, write
from callmux.config.servers import HttpServer, StdioServer
from callmux.errors import CallmuxError, ConfigError, ConfigMissing, UsageError


class Declined(CallmuxError):
    """A person who was asked does not want the change."""

    code = "declined"


def existing_config(config_option: str | None) -> Path:
    """The configuration file to change.

    Raises:
        ConfigMissing: There is none.
    """
    path = find_config(config_option, os.environ, Path.home())
    if path is None or not path.exists():
        shown = path or target_config(config_option, os.environ, Path.home())
        raise ConfigMissing(f"No callmux config found at {shown}: {MAKE_ONE}")
    return path


def written_entry(path: Path, name: str) -> Mapping[str, Any] | None:
    """The entry of a server as its file has it; None where there is no such server, or no file yet."""
    if not path.exists():
        return None
    text = path.read_bytes().decode("utf-8", "replace")
    servers = servers_in(parse(str(path), text)) if text.strip() else {}
    entry = servers.get(name)
    return entry if isinstance(entry, dict) else {} if name in servers else None


def save_entry(
    path: Path,
    name: str,
    make: Callable[[Mapping[str, Any] | None], Mapping[str, Any] | None],
    *,
    create: bool = False,
) -> None:
    """Puts what `make` makes of an entry in its place; None takes it out.

    Args:
        make: Gets the entry as the file has it, None where there is none. It raises LookupError where it
            needs one.
        create: Whether an empty or missing file becomes a configuration.

    Raises:
        UsageError: There is no such server.
        ConfigError: The file would not load afterwards; nothing was written.
    """
    name_of_file = str(path)

    def edit(text: str) -> str:
        if create and not text.strip():
            write_schema(path)
            text = write(name_of_file, empty_document(path))
        servers = servers_in(parse(name_of_file, text))
        old = servers.get(name)
        try:
            new = make(old if isinstance(old, dict) else None if name not in servers else {})
        except LookupError:
            raise not_found(path, name, servers) from None
        where = ["servers", name]
        if new is None:
            text = delete_value(name_of_file, text, where)
        else:
            text = set_value(name_of_file, text, where, new)
        return loadable(path, text)

    edit_text(path, edit)


def loadable(path: Path, text: str) -> str:
    """The text, if it is a configuration that loads and has no key twice.

    Raises:
        ConfigError: It is not; says that nothing was written.
    """
    checked = check_document(parse(str(path), text))
    problems = [*checked.errors, *(checked.hints if checked.errors else ())]
    if not is_yaml(str(path)):
        from callmux.config.json_text import strict

        problems += duplicates(strict(text))
    if problems:
        raise ConfigError([*problems, f"nothing was written to {path}"])
    return text


def there(name: str, entry: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The entry.

    Raises:
        LookupError: There is none.
    """
    if entry is None:
        raise LookupError(name)
    return entry


def not_found(path: Path, name: str, servers: Mapping[str, Any]) -> UsageError:
    """The error for a name that no server has."""
    return UsageError(f'Server "{name}" not found in {path}{nearest(name, list(servers))}')


def servers_in(document: object) -> Mapping[str, Any]:
    """The entries of a configuration, by name.

    Raises:
        UsageError: It has them under another key.
    """
    servers = document.get("servers") if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise UsageError(
            'Managed server commands require native callmux config with a top-level "servers" object'
            ' (rename "mcpServers" to "servers" to use them)'
        )
    return servers


def checked_entry(name: str, entry: Mapping[str, Any]) -> StdioServer | HttpServer:
    """The entry as the model has it.

    Raises:
        ConfigError: It cannot be used.
    """
    server, problems, hints = check_server(dict(entry), f"servers.{name}")
    if server is None:
        raise ConfigError([*problems, *hints])
    return server
