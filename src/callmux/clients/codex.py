"""callmux's entry in Codex's `config.toml`: what the text becomes. Pure.

Called by `callmux.clients.editing` and `callmux.setup`. Our own entry stands between two marker lines, so
that it is told from one that somebody wrote; the rest of the file keeps every byte. Every edit is checked:
the new text must be TOML that differs from the old in that one table only.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callmux.clients.entry import ClientFileError, Entry, strings
from callmux.depth import is_value_deeper, too_deep
from callmux.text import BOM

SECTION = "mcp_servers"
SHAPE_KEYS = ("command", "args", "url", "bearer_token_env_var")


@dataclass(frozen=True, slots=True)
class _Block:
    """Where our markers are: the offsets of the first, of what is between them, and behind the second."""

    start: int
    inner: int
    inner_end: int
    end: int


def read_servers(text: str) -> dict[str, Any]:
    """The raw entries by name.

    Raises:
        ClientFileError: It is not TOML, or `mcp_servers` is no table.
    """
    servers = _parse(text).get(SECTION, {})
    if not isinstance(servers, dict):
        raise ClientFileError(f'"{SECTION}" is not a table')
    return servers


def read_entry(raw: Any) -> Entry:
    """An entry as Codex has it.

    Raises:
        ClientFileError: It has neither a command nor an address.
    """
    if not isinstance(raw, Mapping):
        raise ClientFileError("is not a table")
    url, command, args = raw.get("url"), raw.get("command"), raw.get("args", [])
    if not isinstance(url, str) and not isinstance(command, str):
        raise ClientFileError('has neither "command" nor "url"')
    if not isinstance(args, list) or not all(isinstance(word, str) for word in args):
        raise ClientFileError('"args" is not a list of strings')
    tools, denied, cwd = raw.get("enabled_tools"), raw.get("disabled_tools"), raw.get("cwd")
    env = strings(raw.get("env"))
    names = raw.get("env_vars")
    for item in names if isinstance(names, list) else ():
        name = item.get("name") if isinstance(item, Mapping) else item
        env[str(name)] = f"${{{name}:-}}"
    token = raw.get("bearer_token_env_var")
    return Entry(
        command=None if isinstance(url, str) else str(command),
        args=() if isinstance(url, str) else tuple(args),
        env=env,
        cwd=cwd if isinstance(cwd, str) else None,
        url=url if isinstance(url, str) else None,
        headers=strings(raw.get("http_headers")),
        env_headers=strings(raw.get("env_http_headers")),
        token_env=token if isinstance(token, str) else None,
        timeout_ms=_milliseconds(raw.get("tool_timeout_sec"), 1000),
        connect_ms=_milliseconds(raw.get("startup_timeout_sec"), 1000)
        or _milliseconds(raw.get("startup_timeout_ms"), 1),
        tools=tuple(map(str, tools)) if isinstance(tools, list) else None,
        denied=tuple(map(str, denied)) if isinstance(denied, list) else (),
        disabled=raw.get("enabled") is False,
    )


def _milliseconds(value: Any, factor: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return max(1, int(value * factor))


def table(name: str, entry: Entry) -> str:
    """The bare table of an entry, without markers."""
    lines = [f"{key} = {_value(value)}" for key, value in _shape(entry).items()]
    return "\n".join([f"[{SECTION}.{name}]", *lines])


def block(name: str, entry: Entry) -> str:
    """The table between its markers."""
    begin, end = _markers(name)
    return f"{begin}\n{table(name, entry)}\n{end}\n"


def is_managed(text: str, name: str) -> bool:
    """Whether the entry is one that we wrote.

    It stands between our markers, or what is left of them is still in the file: Codex itself drops the first
    and moves the second when it writes its servers.
    """
    found = _find(text, name)
    if found is not None:
        return name in _inside(text, found)
    return any(line.strip() in _markers(name) for line in text.splitlines())


def fits(raw: Any, entry: Entry) -> bool:
    """Whether an entry is what `entry` asks for; other keys are the user's own."""
    if not isinstance(raw, Mapping):
        return False
    found = {key: raw[key] for key in SHAPE_KEYS if key in raw}
    wanted = _shape(entry)
    for shape in (found, wanted):
        if shape.get("args") == []:
            del shape["args"]
    return found == wanted


def with_entry(text: str, name: str, entry: Entry, *, known: bool = False) -> str:
    """The text with our entry between its markers; keys that the user put into it stay.

    Args:
        known: Whether an entry without markers is ours all the same.

    Raises:
        ClientFileError: There is an entry of that name outside of markers, or the file cannot be understood.
    """
    servers = read_servers(text)
    found = _find(text, name)
    if found is not None and name in _inside(text, found):
        return _checked(text, _replaced(text, found, name, entry), name)
    if name in servers and (known or is_managed(text, name)):
        return text if fits(servers[name], entry) else _checked(text, _shaped(text, name, entry), name)
    if name in servers:
        raise ClientFileError(
            f'has an unmanaged entry "{SECTION}.{name}", which callmux did not write: remove it'
            f" (codex mcp remove {name}), or choose another --name"
        )
    rest = text if found is None else text[: found.start] + text[found.end :]
    newline = "\r\n" if "\r\n" in text else "\n"
    kept = rest.rstrip()
    written = block(name, entry).replace("\n", newline)
    appended = f"{kept}{newline * 2 if kept else ''}{written}"
    try:
        _parse(appended)
    except ClientFileError:
        # `mcp_servers = {...}` and `mcp_servers.a = ...` allow no table of their own below them.
        appended = _within(rest, name, entry, newline)
    return _checked(text, appended, name)


_SERVERS_LINE = re.compile(rf"^[ \t]*{SECTION}[ \t]*[=.]", re.MULTILINE)


def _within(text: str, name: str, entry: Entry, newline: str) -> str:
    """The text with our entry where the other servers are, in an inline table; one marker stands above it."""
    import tomlkit

    def change(document: Any) -> None:
        inline = tomlkit.inline_table()
        inline.update(_shape(entry))
        document[SECTION][name] = inline

    new = _by_tomlkit(text, change)
    place = _SERVERS_LINE.search(new)
    if place is None:
        raise ClientFileError(f'cannot be edited: "{SECTION}" is written in a way that is not understood')
    return f"{new[: place.start()]}{_markers(name)[0]}{newline}{new[place.start() :]}"


def without_entry(text: str, name: str, *, known: bool = False) -> str:
    """The text without our entry and its markers; the same text where there is none.

    Args:
        known: Whether an entry without markers is ours all the same.

    Raises:
        ClientFileError: There is an entry of that name outside of markers.
    """
    servers = read_servers(text)
    found = _find(text, name)
    if found is None or (name in servers and name not in _inside(text, found)):
        if name not in servers:
            return text
        if known or is_managed(text, name):
            return _checked(text, _without_marks(_dropped(text, name), name), name)
        raise ClientFileError(
            f'has an unmanaged entry "{SECTION}.{name}", which callmux did not write: refusing to remove it'
            f" (codex mcp remove {name} does)"
        )
    rest = _cut(text[found.inner : found.inner_end], name)
    before, after = text[: found.start], text[found.end :]
    if not after.strip() and not rest.strip():
        before = re.sub(r"(\r?\n)\r?\n\Z", r"\1", before)
    return _checked(text, before + rest + after, name)


def without_servers(text: str, names: Sequence[str]) -> str:
    """The text without these entries, whoever wrote them, and without their sub-tables.

    Raises:
        ClientFileError: The file cannot be understood.
    """
    for name in names:
        if name not in read_servers(text):
            continue
        if is_managed(text, name):
            text = without_entry(text, name)
            continue
        text = _checked(text, _dropped(text, name), name)
    return text


def with_table_of(text: str, other: str, name: str) -> str:
    """The text with a server as another text has it, comments included, at its end.

    Raises:
        ClientFileError: One of them cannot be understood, or the text allows no table there.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        servers = tomlkit.table(is_super_table=True)
        servers[name] = tomlkit.parse(other.removeprefix(BOM))[SECTION][name]
        document = tomlkit.document()
        document[SECTION] = servers
        written = tomlkit.dumps(document).replace("\r\n", "\n")
    except (TOMLKitError, KeyError, TypeError) as error:
        raise ClientFileError(f"cannot be edited: {error}") from None
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text.strip() else newline if text.endswith("\n") else newline * 2
    return _checked(text, f"{text}{gap}{written.strip().replace(chr(10), newline)}{newline}", name)


def with_command(text: str, name: str, command: str, args: Sequence[str]) -> str:
    """The text with another command in an entry that is there, markers or not."""

    def change(document: Any) -> None:
        server = document[SECTION][name]
        server["command"] = command
        server["args"] = list(args)

    return _checked(text, _by_tomlkit(text, change), name)


def _dropped(text: str, name: str) -> str:
    def change(document: Any) -> None:
        del document[SECTION][name]
        if not document[SECTION]:
            del document[SECTION]

    return _by_tomlkit(text, change)


def _by_tomlkit(text: str, change: Callable[[Any], None]) -> str:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    mark = BOM if text.startswith(BOM) else ""
    try:
        document = tomlkit.parse(text.removeprefix(BOM))
        change(document)
        return mark + tomlkit.dumps(document)
    except (TOMLKitError, KeyError, TypeError) as error:
        raise ClientFileError(f"cannot be edited: {error}") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(text.removeprefix(BOM))
    except tomllib.TOMLDecodeError as error:
        raise ClientFileError(f"invalid TOML: {error}") from None
    except RecursionError:
        raise ClientFileError(f"the TOML {too_deep()}") from None
    if is_value_deeper(document):
        raise ClientFileError(f"the TOML {too_deep()}")
    return document


def _checked(old: str, new: str, name: str) -> str:
    """`new`, unless it says anything else than `old` outside of that one table."""

    def others(text: str) -> dict[str, Any]:
        document = _parse(text)
        servers = {key: value for key, value in document.get(SECTION, {}).items() if key != name}
        return {**document, SECTION: servers}

    if others(old) != others(new):
        raise ClientFileError(
            f'cannot be edited without changing more than "{SECTION}.{name}": edit it by hand'
        )
    return new


def _markers(name: str) -> tuple[str, str]:
    return f"# BEGIN CALLMUX MANAGED {name}", f"# END CALLMUX MANAGED {name}"


def _find(text: str, name: str) -> _Block | None:
    begin, end = (re.escape(marker) for marker in _markers(name))
    match = re.search(
        rf"^[ \t]*{begin}[ \t]*\r?\n(.*?)^[ \t]*{end}[ \t]*(?:\r?\n|\Z)", text, re.MULTILINE | re.DOTALL
    )
    return None if match is None else _Block(match.start(), match.start(1), match.end(1), match.end())


def _inside(text: str, found: _Block) -> dict[str, Any]:
    """The entries between the markers; none where what stands there is not whole."""
    try:
        servers = tomllib.loads(text[found.inner : found.inner_end].replace("\r\n", "\n")).get(SECTION, {})
    except tomllib.TOMLDecodeError:
        return {}
    return servers if isinstance(servers, dict) else {}


def _replaced(text: str, found: _Block, name: str, entry: Entry) -> str:
    if fits(_inside(text, found)[name], entry):
        return text
    inner = _shaped(text[found.inner : found.inner_end], name, entry)
    return text[: found.inner] + inner + text[found.inner_end :]


def _shaped(text: str, name: str, entry: Entry) -> str:
    """The text with that shape in an entry that is there."""

    def change(document: Any) -> None:
        server = document[SECTION][name]
        wanted = _shape(entry)
        for key in SHAPE_KEYS:
            if key not in wanted and key in server:
                del server[key]
        for key, value in wanted.items():
            server[key] = value

    return _by_tomlkit(text, change)


def _without_marks(text: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() not in _markers(name))


def _cut(inner: str, name: str) -> str:
    """What else stands between the markers: Codex may have put other tables there."""
    return _dropped(inner, name) if set(_sections(inner)) - {name} else ""


def _sections(inner: str) -> list[str]:
    document = tomllib.loads(inner.replace("\r\n", "\n"))
    servers = document.get(SECTION, {})
    return [*servers, *(f"[{key}]" for key in document if key != SECTION)]


def _shape(entry: Entry) -> dict[str, Any]:
    if entry.command is not None:
        return {"command": entry.command, "args": list(entry.args)}
    token = {} if entry.token_env is None else {"bearer_token_env_var": entry.token_env}
    return {"url": entry.url, **token}


def _value(value: Any) -> str:
    # A JSON string is a TOML basic string, and so is an array of them.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
