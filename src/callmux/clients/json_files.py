"""callmux's entry in a client's JSON file: what the text becomes. Pure.

Called by `callmux.clients.editing`. Only the text of the edited entry changes: order, indentation, comments
and all other keys stay as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callmux.clients.dialects import SHAPE_KEYS, Dialect, render
from callmux.clients.entry import ClientFileError, Entry
from callmux.config.json_text import JsonTextError, delete_value, parse_json, set_value


def read_servers(dialect: Dialect, text: str) -> dict[str, Any]:
    """The raw entries of a file by name; none where the file is empty or has no such section.

    Raises:
        ClientFileError: It is not JSON, or its shape is wrong.
    """
    if not text.lstrip("\ufeff").strip():
        return {}
    try:
        document = parse_json(text)
    except JsonTextError as error:
        raise ClientFileError(error.message) from None
    if not isinstance(document, dict):
        raise ClientFileError("the file is not a JSON object")
    servers = document.get(dialect.section, {})
    if not isinstance(servers, dict):
        raise ClientFileError(f'"{dialect.section}" is not an object')
    return servers


def snippet(dialect: Dialect, name: str, entry: Entry) -> dict[str, Any]:
    """A whole document with that entry alone."""
    return {dialect.section: {name: render(dialect, entry)}}


def fits(dialect: Dialect, raw: Any, entry: Entry) -> bool:
    """Whether an entry of a file is what `entry` asks for.

    Key order, `"type": "stdio"`, an absent empty `args` and keys that are the user's own do not matter.
    """
    if not isinstance(raw, Mapping):
        return False
    wanted = render(dialect, entry)
    if _shape(raw) != _shape(wanted):
        return False
    headers = wanted.get("headers", {})
    given = raw.get("headers")
    return not headers or (isinstance(given, Mapping) and all(given.get(k) == v for k, v in headers.items()))


def _shape(raw: Mapping[str, Any]) -> dict[str, Any]:
    shape = {key: raw[key] for key in SHAPE_KEYS & raw.keys()}
    if shape.get("type") == "stdio" and "command" in shape:
        del shape["type"]
    if shape.get("args") == []:
        del shape["args"]
    return shape


def with_entry(dialect: Dialect, text: str, name: str, entry: Entry) -> str:
    """The text with our entry in it; what the user added to an entry of ours stays.

    Raises:
        ClientFileError: The file cannot be understood.
    """
    old = read_servers(dialect, text).get(name)
    wanted = render(dialect, entry)
    if isinstance(old, Mapping):
        gone = SHAPE_KEYS if ("command" in old) == ("command" in wanted) else SHAPE_KEYS | {"headers"}
        kept = {key: value for key, value in old.items() if key not in gone}
        if isinstance(kept.get("headers"), Mapping) and "headers" in wanted:
            wanted["headers"] = {**kept["headers"], **wanted["headers"]}
        # The keys there are keep their places.
        merged = {key: wanted.get(key, kept.get(key)) for key in old if key in wanted or key in kept}
        wanted = merged | {key: value for key, value in wanted.items() if key not in merged}
        if isinstance(kept.get("env"), Mapping) and "env" in wanted:
            # What the user set there is stronger than what we would.
            wanted["env"] = {**wanted["env"], **kept["env"]}
    return edited(text, (dialect.section, name), wanted)


def without_entry(dialect: Dialect, text: str, name: str) -> str:
    """The text without the entry; a section that it leaves empty goes, too."""
    if name not in read_servers(dialect, text):
        return text
    text = edited(text, (dialect.section, name))
    return text if read_servers(dialect, text) else edited(text, (dialect.section,))


def without_servers(text: str, section: tuple[str, ...], names: tuple[str, ...]) -> str:
    """The text without these entries of a section, which stays even when it is empty."""
    for name in names:
        text = edited(text, (*section, name))
    return text


_GONE = object()


def edited(text: str, path: tuple[str, ...], value: Any = _GONE) -> str:
    """The text with `value` at `path`, or without what is there; everything else means what it did.

    Raises:
        ClientFileError: That cannot be done to this text.
    """
    try:
        new = delete_value(text, path) if value is _GONE else set_value(text, path, value)
        same = _others(text, path) == _others(new, path)
    except JsonTextError as error:
        raise ClientFileError(error.message) from None
    if not same:
        raise ClientFileError(
            f'cannot be edited without changing more than "{".".join(path)}": edit it by hand'
        )
    return new


def _others(text: str, path: tuple[str, ...]) -> Any:
    """What a text says but at `path`; objects on the way that hold nothing else do not count."""

    def without(value: Any, keys: tuple[str, ...]) -> Any:
        if not keys or not isinstance(value, dict):
            return None
        rest = {key: item for key, item in value.items() if key != keys[0]}
        inner = without(value[keys[0]], keys[1:]) if keys[0] in value else None
        return {**rest, keys[0]: inner} if inner else rest

    return without(parse_json(text) if text.lstrip("\ufeff").strip() else {}, path)
