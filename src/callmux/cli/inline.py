"""A configuration out of flags: one server, named `default`; or global flags on top of a file. Pure.

Called by `callmux.cli.serve` with what `callmux.cli.parsing` has read. The same keys and limits as in a file
hold, because the flags are turned into such a document and checked like one.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import msgspec

from callmux.cli.grammar.serve import INLINE_OPTIONS
from callmux.cli.parsing import Given, nearest
from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.config.servers import Server
from callmux.config.variables import note_references
from callmux.errors import UsageError

SWITCHES = {
    "--allow-request-body-override": "allowRequestBodyMaxOverride",
    "--allow-insecure-remote-listener": "allowInsecureRemoteListener",
    "--strict-startup": "strictStartup",
    "--meta-only": "metaOnly",
}
NUMBERS = {
    "--cache": "cacheTtlSeconds",
    "--request-body-max-bytes": "requestBodyMaxBytes",
    "--cache-max-entries": "maxCacheEntries",
    "--concurrency": "maxConcurrency",
    "--connect-timeout": "connectTimeoutMs",
    "--call-timeout": "callTimeoutMs",
    "--description-max-length": "descriptionMaxLength",
}
TEXTS = {"--output-format": "outputFormat", "--profile": "profile"}
"""Global flags by kind, each with its key."""
ONLY = "--only"
STDIO_ONLY, HTTP_ONLY = ("--env",), ("--header", "--transport")


def inline_config(given: Given, variables: Container[str] = ()) -> Config:
    """The configuration that flags describe, such as `--cache 60 -- npx -y some-server`.

    Args:
        given: The command line.
        variables: The names of the environment variables that there are, for references.

    Raises:
        UsageError: They describe none.
    """
    if given.on(ONLY):
        raise UsageError("--only chooses servers of a configuration file, and here is a single server")
    if given.on("--profile"):
        raise UsageError("--profile chooses a profile of a configuration file, and here is none")
    server = _server(given)
    command = given.rest or []
    if server.get("url"):
        if given.rest is not None:
            raise UsageError("Cannot use both --url and -- command: name one server")
        _refuse(given, STDIO_ONLY, "--url")
    elif command:
        _refuse(given, HTTP_ONLY, "-- command")
        server.update({"command": command[0], "args": command[1:]})
    else:
        raise UsageError("No command: put the server's command after --, or name its --url")
    settings = {"cacheTtlSeconds": 0, "maxConcurrency": 20, **_settings(given)}
    checked = check_document({"servers": {"default": server}, **settings})
    if checked.errors:
        raise UsageError("; ".join(checked.errors))
    servers = {name: note_references(server, variables) for name, server in checked.config.servers.items()}
    return msgspec.structs.replace(checked.config, servers=servers)


def override(config: Config, given: Given) -> Config:
    """A file's configuration with the global flags of a command line on top, such as `--meta-only`.

    Raises:
        UsageError: A flag is about a single server, of which a file may have many.
    """
    for option in INLINE_OPTIONS:
        if given.on(option.name):
            raise UsageError(
                f"{option.name} is about one server: set it in the configuration file, "
                "or name the server with -- COMMAND instead of a file"
            )
    settings = _settings(given)
    name = settings.get("profile")
    if name is not None and name not in config.profiles:
        hint = nearest(name, list(config.profiles))
        raise UsageError(f'--profile names "{name}", which the configuration does not have{hint}')
    if (only := given.text(ONLY)) is not None:
        config = msgspec.structs.replace(config, servers=_chosen(config, _names(only)))
    by_key = {field.encode_name: field.name for field in msgspec.structs.fields(Config)}
    changed = msgspec.structs.replace(config, **{by_key[k]: v for k, v in settings.items()})
    if changed.meta_only and not changed.expose_meta_tools:
        raise UsageError(
            "--meta-only and exposeMetaTools: false are mutually exclusive: nothing would be listed"
        )
    return changed


def _settings(given: Given) -> dict[str, Any]:
    """What the global flags set, by key."""
    return {
        **{key: True for flag, key in SWITCHES.items() if given.on(flag)},
        **{key: given.number(flag) for flag, key in NUMBERS.items() if given.on(flag)},
        **{key: given.text(flag) for flag, key in TEXTS.items() if given.on(flag)},
    }


def _server(given: Given) -> dict[str, Any]:
    """The entry of the single server, without its command."""
    entry: dict[str, Any] = {}
    for flag, key in (("--url", "url"), ("--transport", "transport")):
        if (text := given.text(flag)) is not None:
            entry[key] = text
    if (tools := given.text("--tools")) is not None:
        entry["tools"] = _names(tools)
    for flag, key in (("--cache-allow", "allowTools"), ("--cache-deny", "denyTools")):
        if (tools := given.text(flag)) is not None:
            entry.setdefault("cachePolicy", {})[key] = _names(tools)
    for word in given.all("--env"):
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise UsageError("--env must be KEY=VALUE")
        entry.setdefault("env", {})[name] = value
    for word in given.all("--header"):
        name, sign, value = word.partition(":")
        if not sign or not name.strip():
            raise UsageError("--header must use Name:Value format")
        entry.setdefault("headers", {})[name.strip()] = value.strip()
    return entry


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _chosen(config: Config, names: Sequence[str]) -> dict[str, Server]:
    for name in names:
        if name not in config.servers:
            hint = nearest(name, list(config.servers))
            raise UsageError(f'--only names "{name}", which the configuration does not have{hint}')
    return {name: server for name, server in config.servers.items() if name in names}


def _refuse(given: Given, flags: Sequence[str], beside: str) -> None:
    for flag in flags:
        if given.on(flag):
            raise UsageError(f"{flag} has no meaning with {beside}")
