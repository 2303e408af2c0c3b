"""Takes single keys of a file back to what they were, where others have changed the rest since. Pure.

Called by `callmux.clients.changes`. JSON with comments, YAML and TOML; the rest of the text stays as it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from callmux.clients import codex
from callmux.clients.entry import ClientFileError
from callmux.config.notation import delete_value, is_yaml, parse, set_value
from callmux.errors import ConfigError
from callmux.text import BOM


def revert(file: str, before: str, now: str, paths: Sequence[Sequence[str]]) -> str | None:
    """`now` with what `before` has at each path; None where one of them cannot be understood.

    `file` is the name of the file, which says whether it is YAML.

    A key that `before` does not have goes; a section that this leaves empty and `before` lacks goes, too.
    """
    try:
        old = parse(file, before) if before.strip() else {}
        return _revert(file, old, now, paths)
    except ConfigError:
        return None if is_yaml(file) else _revert_toml(before, now, paths)


def _revert(file: str, old: Any, text: str, paths: Sequence[Sequence[str]]) -> str:
    for path in paths:
        found, value = _at(old, path)
        text = set_value(file, text, path, value) if found else delete_value(file, text, path)
        if len(path) > 1 and not _at(old, path[:-1])[0] and _at(parse(file, text), path[:-1])[1] == {}:
            text = delete_value(file, text, path[:-1])
    return text


def entered_since(file: str, now: str, removed: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """The paths, of those that we removed, that are there again: what stands there is newer than ours."""
    try:
        document = parse(file, now)
    except ConfigError:
        try:
            document = tomllib.loads(now.removeprefix(BOM))
        except tomllib.TOMLDecodeError:
            return []
    return [path for path in removed if _at(document, path)[0]]


def _revert_toml(before: str, now: str, paths: Sequence[Sequence[str]]) -> str | None:
    """Server by server as text, so that comments around them stay; a file that is odd, by its structure."""
    try:
        old = tomllib.loads(before.removeprefix(BOM))
        wanted = tomllib.loads(now.removeprefix(BOM))
        text = now
        for path in paths:
            found, value = _at(old, path)
            _set(wanted, path, found, value)
            text = codex.without_servers(text, [path[-1]])
            if found:
                text = codex.with_table_of(text, before, path[-1])
        if tomllib.loads(text.removeprefix(BOM)) == wanted:
            return text
    except (tomllib.TOMLDecodeError, ClientFileError):
        pass
    return _revert_structure(before, now, paths)


def _set(document: dict[str, Any], path: Sequence[str], found: bool, value: Any) -> None:
    table = document
    for key in path[:-1]:
        table = table.setdefault(key, {})
    if found:
        table[path[-1]] = value
    else:
        table.pop(path[-1], None)
    if not table and len(path) > 1:
        del document[path[0]]


def _revert_structure(before: str, now: str, paths: Sequence[Sequence[str]]) -> str | None:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    mark = BOM if now.startswith(BOM) else ""
    try:
        old = tomllib.loads(before.removeprefix(BOM))
        document = tomlkit.parse(now.removeprefix(BOM))
        for path in paths:
            table: Any = document
            for key in path[:-1]:
                if key not in table:
                    table[key] = tomlkit.table(is_super_table=True)
                table = table[key]
            found, value = _at(old, path)
            if found:
                table[path[-1]] = value
            elif path[-1] in table:
                del table[path[-1]]
        return mark + tomlkit.dumps(document)
    except (tomllib.TOMLDecodeError, TOMLKitError, TypeError):
        return None


def _at(document: Any, path: Sequence[str]) -> tuple[bool, Any]:
    for key in path:
        if not isinstance(document, dict) or key not in document:
            return False, None
        document = document[key]
    return True, document
