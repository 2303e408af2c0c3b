"""Finds and reads the configuration file.

Called by the commands of `callmux.cli`, once more for each reload; checks with `callmux.config.check`, then
fills in variables, follows references of `auth` and makes paths absolute.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from callmux.config.check import Format, check_document
from callmux.config.duplicate_keys import duplicates as keys_that_stand_twice
from callmux.config.env_file import env_file_path
from callmux.config.kinds import Refused, scrypt_hash
from callmux.config.model import Config, StdioServer
from callmux.config.notation import is_yaml, parse
from callmux.config.overlay import Overlay, read_overlay
from callmux.config.references import Reference
from callmux.config.secrets import hash_in_memory, referenced_file, resolve_reference
from callmux.config.security import BearerAuth, BearerToken, Tls
from callmux.config.sources import Sources
from callmux.config.variables import expand_server
from callmux.depth import is_deeper, too_deep
from callmux.errors import ConfigError, ConfigMissing, SecretError
from callmux.secrets.resolving import resolve as value_of
from callmux.text import BOM, NotText, text_of

VARIABLE = "CALLMUX_CONFIG"
MAKE_ONE = '"callmux setup" makes one of what your clients have, "callmux init" an empty one'
EVENT_FILE = "callmux-events.sqlite"
COMMAND_SECONDS = 10.0
"""How long the command of a listener's token may take: nothing else happens meanwhile."""
NO_OVERLAY = Overlay()


class LoadedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and where it came from.

    Attributes:
        config: What it says, ready for use.
        path: The file, as it was named.
        format: Whether the servers stand under `servers` or `mcpServers`.
        warnings: What works but is probably not meant, one sentence each; `duplicates` among them.
        duplicates: Keys that stand twice in one object, one sentence each.
        document: The file's own JSON, for commands that edit or show it.
    """

    config: Config
    path: Path
    format: Format
    warnings: list[str]
    duplicates: list[str]
    document: dict[str, Any]

    @property
    def base_dir(self) -> Path:
        """What relative paths in the file start from."""
        return _base_dir(self.path)


def usual_config(home: Path) -> Path:
    """Where the configuration is for a program that has nothing but a home directory."""
    return home / ".config" / "callmux" / "config.json"


def default_config(home: Path, env: Mapping[str, str]) -> Path:
    """Where the configuration is unless something else is said.

    That is `~/.config/callmux`, as it always was; `XDG_CONFIG_HOME` counts where there is no file.
    """
    usual, base = usual_config(home), env.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(base) and not usual.exists():
        return Path(base) / "callmux" / "config.json"
    return usual


def find_config(explicit: str | None, env: Mapping[str, str], home: Path) -> Path | None:
    """The configuration file to read: `--config`, else `CALLMUX_CONFIG`, else the default if it exists.

    Returns:
        Its path, or None where nothing is named and there is no default file.

    Raises:
        ConfigMissing: `CALLMUX_CONFIG` names a file that does not exist. Another file must not be used in
            its place.
        ConfigError: Its directory cannot be read.
    """
    path = target_config(explicit, env, home)
    try:
        there = path.exists()
    except OSError as error:
        raise ConfigError([f'cannot read "{path}": {error.strerror}']) from None
    if there or explicit is not None:
        return path
    if env.get(VARIABLE):
        raise ConfigMissing(
            f'{VARIABLE} names "{path}", which does not exist: correct it, unset it, or run "callmux init"'
        )
    return None


def target_config(explicit: str | None, env: Mapping[str, str], home: Path) -> Path:
    """The configuration file that commands write, whether it exists or not."""
    return Path(explicit or env.get(VARIABLE) or default_config(home, env))


def load_config(
    path: Path,
    env: Mapping[str, str],
    *,
    resolve: bool = True,
    sources: Sources | None = None,
    overlay: Overlay | None = NO_OVERLAY,
) -> LoadedConfig:
    """Reads a configuration file.

    Args:
        path: The file.
        env: The variables there are, for references and `${VAR}`.
        resolve: Whether to fill in variables and follow references; False is for commands that show or edit
            what is written.
        sources: Takes every file that this reads, and those that references of servers name; and the document
            that is in force.
        overlay: Lies over the servers where the file has a management interface; the saved one where None.

    Raises:
        ConfigMissing: The file is not there.
        ConfigError: It cannot be read or says something that cannot be; names every problem.
    """
    sources = sources if sources is not None else Sources()
    sources.note(path)
    duplicates: list[str] = []
    document = read_document(path, duplicates)
    return load_document(document, path, env, resolve, sources, overlay, duplicates)


def load_document(
    document: object,
    path: Path,
    env: Mapping[str, str],
    resolve: bool,
    sources: Sources,
    overlay: Overlay | None,
    duplicates: list[str],
) -> LoadedConfig:
    """The same for a document that is read already.

    Args:
        path: The file that it stands in, or could stand in.
        duplicates: Its keys that stand twice.
    """
    own, checked = document, check_document(document)
    if isinstance(document, dict) and not checked.errors and checked.config.management.enabled:
        overlay = saved_overlay(state_file(checked.config, path)) if overlay is None else overlay
        document = overlay.over(document)
        checked = check_document(document) if overlay.entries else checked
    problems = list(checked.errors)
    config = checked.config
    if resolve and not problems:
        key = "servers" if checked.format == "native" else "mcpServers"
        for file in _referenced(config, _base_dir(path)):
            sources.note(file)
        config, problems = _resolve(_absolute(config, path), _base_dir(path), env, key, sources)
    if problems or not isinstance(own, dict) or not isinstance(document, dict):
        raise ConfigError([*problems, *checked.hints, *duplicates])
    sources.document = document
    return LoadedConfig(
        config=config,
        path=path,
        format=checked.format,
        warnings=[*duplicates, *checked.warnings, *_shown_to_all(config)],
        duplicates=duplicates,
        document=own,
    )


def state_file(config: Config, path: Path) -> Path:
    """Where the changes of the management interface are kept."""
    return Path(
        os.path.normpath(_base_dir(path) / (config.management.state_path or f"{path.name}.management.json"))
    )


def saved_overlay(file: Path) -> Overlay:
    """What a file of changes says; nothing where there is none.

    Raises:
        ConfigError: It cannot be used.
    """
    try:
        document = read_document(file)
    except ConfigMissing:
        return Overlay()
    return read_overlay(document, str(file))


def read_document(path: Path, duplicates: list[str] | None = None) -> object:
    """What a file says, by the notation of its name: JSON, which may hold comments, or YAML.

    Args:
        path: The file.
        duplicates: Takes a sentence for each key that stands twice in JSON. YAML with such keys is malformed.

    Raises:
        ConfigMissing: The file is not there.
        ConfigError: It cannot be read or is malformed; names file, line and column.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigMissing(f'no configuration file "{path}": {MAKE_ONE}') from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([f'cannot read "{path}": {reason}']) from None
    try:
        # Neither JSON nor YAML readers say where it is none, and some take it all the same.
        data = text_of(data, path).removeprefix(BOM).encode()
    except NotText as error:
        raise ConfigError([error.message]) from None
    if not data.strip():
        raise ConfigError([f"{path}: the file is empty, expected one JSON object"])
    if is_yaml(str(path)):
        return parse(str(path), data.decode())
    try:
        document = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        document, data = _with_comments(path, data, error)
    except RecursionError:
        raise ConfigError([f"{path}: the JSON {too_deep()}"]) from None
    if is_deeper(data):
        raise ConfigError([f"{path}: the JSON {too_deep()}"])
    if duplicates is not None:
        duplicates += keys_that_stand_twice(data.decode())
    return document


def _with_comments(path: Path, data: bytes, error: Exception) -> tuple[object, bytes]:
    """The same without comments and trailing commas, where it has any, and the text that was read."""
    from callmux.config.json_text import strict

    plain = strict(data.decode()).encode()
    if plain != data:
        data = plain
        try:
            return msgspec.json.decode(data), data
        except (msgspec.MsgspecError, UnicodeDecodeError) as second:
            error = second
        except RecursionError:
            raise ConfigError([f"{path}: the JSON {too_deep()}"]) from None
    raise ConfigError([_syntax_problem(path, data, error)]) from None


def _syntax_problem(path: Path, data: bytes, error: Exception) -> str:
    found = re.search(r"^(?:JSON is malformed: )?(.*) \(byte (\d+)\)$", str(error))
    reason, at = (found[1], int(found[2])) if found else ("unexpected end of file", len(data.rstrip()))
    # A wrong word such as `nope` is noticed up to where `null` would end; its start says more.
    word = re.search(rb"(?<=[\s:,\[])[ntf][a-z]{0,4}$", data[:at])
    at = word.start() if word else at
    before = data[:at].decode("utf-8", "replace")
    line, column = before.count("\n") + 1, at - (data[:at].rfind(b"\n") + 1)
    column = len(data[at - column : at].decode("utf-8", "replace")) + 1
    here = data[at : at + 1]
    if here in (b"}", b"]") and before.rstrip().endswith(","):
        reason += " (remove the comma before it)"
    elif here == b"/":
        reason += " (a comment that does not end)"
    elif here == b"#":
        reason += " (comments begin with //)"
    return f"{path}:{line}:{column}: invalid JSON: {reason}"


def _shown_to_all(config: Config) -> Iterator[str]:
    """A warning for each argument that is a secret once its reference is looked up."""
    for name, server in config.servers.items():
        for place in server.templates:
            if place.startswith("args"):
                yield (
                    f"servers.{name}.{place} takes a secret into a command line, which every user of this"
                    " machine can see (ps): let the server take it from env, if it can"
                )


def _base_dir(path: Path) -> Path:
    return Path(os.path.abspath(path)).parent


def _absolute(config: Config, path: Path) -> Config:
    base = _base_dir(path)

    def place(name: str) -> str:
        return os.path.normpath(base / name)

    def places(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return None if names is None else tuple(dict.fromkeys(map(place, names)))

    events, management, tls = config.event_store, config.management, config.tls
    if tls is not None:
        tls = Tls(cert_file=place(tls.cert_file), key_file=place(tls.key_file))
    return msgspec.structs.replace(
        config,
        file_reference_roots=places(config.file_reference_roots),
        session_cwd_roots=places(config.session_cwd_roots),
        tls=tls,
        event_store=msgspec.structs.replace(events, path=place(events.path or EVENT_FILE)),
        management=msgspec.structs.replace(management, state_path=str(state_file(config, path))),
    )


def _resolve(
    config: Config, base: Path, env: Mapping[str, str], key: str, sources: Sources
) -> tuple[Config, list[str]]:
    problems: list[str] = []
    auth, management = config.auth, config.management
    if isinstance(auth, BearerAuth):
        auth = _hashed(auth, "auth", base, env, problems)
    if management.auth is not None:
        own = _hashed(management.auth, "management.auth", base, env, problems)
        management = msgspec.structs.replace(management, auth=own)

    def read_file(file: str) -> str:
        sources.note(base / file)
        return resolve_reference(f"file:{file}", base, env)

    servers = {
        name: expand_server(server, f"{key}.{name}", env, read_file)
        for name, server in config.servers.items()
    }
    for server in servers.values():
        if isinstance(server, StdioServer) and server.env_file is not None:
            sources.note(env_file_path(server.env_file, base))
        for template in server.templates.values():
            for part in template:
                file = referenced_file(str(part), base) if isinstance(part, Reference) else None
                if file is not None:
                    sources.note(file)
    return msgspec.structs.replace(config, servers=servers, auth=auth, management=management), problems


def _referenced(config: Config, base: Path) -> Iterator[Path]:
    """Every file that a `file:` reference of the configuration names."""
    references = [
        ref for s in config.servers.values() if isinstance(s, StdioServer) for ref in s.env_refs.values()
    ]
    for auth in (config.auth, config.management.auth):
        if isinstance(auth, BearerAuth):
            references += [ref for token in auth.tokens if (ref := token.hash_ref or token.token_ref)]
    for reference in references:
        if (file := referenced_file(reference, base)) is not None:
            yield file


def _hashed(
    auth: BearerAuth, path: str, base: Path, env: Mapping[str, str], problems: list[str]
) -> BearerAuth:
    tokens: list[BearerToken] = []
    for n, token in enumerate(auth.tokens):
        where = f"{path}.tokens[{n}].{'hashRef' if token.hash_ref else 'tokenRef'}"
        try:
            if token.hash_ref:
                found = scrypt_hash(_secret(token.hash_ref, base, env))
                token = msgspec.structs.replace(token, hash=found)
            elif token.token_ref:
                found = hash_in_memory(_secret(token.token_ref, base, env))
                token = msgspec.structs.replace(token, hash=found)
        except (SecretError, Refused) as problem:
            problems.append(f"{where} {problem}")
        tokens.append(token)
    return msgspec.structs.replace(auth, tokens=tuple(tokens))


def _secret(reference: str, base: Path, env: Mapping[str, str]) -> str:
    """The value behind a reference of `auth`, less blanks on both ends."""
    value = value_of(reference, base, env, COMMAND_SECONDS).strip()
    if not value:
        raise SecretError("must resolve to a non-empty string")
    return value
