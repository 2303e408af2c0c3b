"""A configuration out of command line flags: one server, named `default`. Pure.

Called by `callmux.cli.serve` where a `--` or `--url` stands in the arguments. The same keys and limits as in
a file hold, because the flags are turned into such a document and checked like one.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

import msgspec

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.config.servers import Server
from callmux.config.variables import note_references
from callmux.errors import UsageError

_SWITCHES = {
    "--allow-request-body-override": "allowRequestBodyMaxOverride",
    "--allow-insecure-remote-listener": "allowInsecureRemoteListener",
    "--strict-startup": "strictStartup",
    "--meta-only": "metaOnly",
}
_NUMBERS = {
    "--cache": ("cacheTtlSeconds", 0),
    "--request-body-max-bytes": ("requestBodyMaxBytes", 0),
    "--cache-max-entries": ("maxCacheEntries", 1),
    "--concurrency": ("maxConcurrency", 1),
    "--connect-timeout": ("connectTimeoutMs", 1),
    "--call-timeout": ("callTimeoutMs", 1),
    "--description-max-length": ("descriptionMaxLength", 1),
}
_PROFILE = "--profile"
_LISTS = ("--tools", "--cache-allow", "--cache-deny", "--only")
_WORDS = ("--env", "--url", "--header", "--transport", "--output-format", _PROFILE)
_VALUED = (*_NUMBERS, *_LISTS, *_WORDS)
_ELSEWHERE = (
    "--listen",
    "--host",
    "--idle-exit",
    "--tls-cert",
    "--tls-key",
    "--config",
    "--version",
    "--help",
)
"""Flags of run mode that are taken out before: near names are hints, too."""
_STDIO_ONLY, _HTTP_ONLY = ("--env",), ("--header", "--transport")


def inline_config(args: Sequence[str], variables: Container[str] = ()) -> Config:
    """The configuration that flags describe, such as `--cache 60 -- npx -y some-server`.

    Args:
        args: The arguments less `--config`, `--listen` and `--host`.
        variables: The names of the environment variables that there are, for references.

    Raises:
        UsageError: They cannot be understood; an unknown flag comes with the nearest known one.
    """
    words = list(args)
    end = words.index("--") if "--" in words else len(words)
    flags = _Flags()
    flags.read(words[:end], followed="--" in words)
    command = words[end + 1 :]
    if flags.only is not None:
        raise UsageError("--only chooses servers of a configuration file, and here is a single server")
    if _PROFILE in flags.seen:
        raise UsageError("--profile chooses a profile of a configuration file, and here is none")
    if flags.server.get("url") and "--" in words:
        raise UsageError("Cannot use both --url and -- command: name one server")
    if flags.server.get("url"):
        flags.refuse(_STDIO_ONLY, "--url")
    elif command:
        flags.refuse(_HTTP_ONLY, "-- command")
        flags.server.update({"command": command[0], "args": command[1:]})
    else:
        raise UsageError("No command: put the server's command after --, or name its --url")
    checked = check_document({"servers": {"default": flags.server}, **flags.settings})
    if checked.errors:
        raise UsageError("; ".join(checked.errors))
    servers = {name: note_references(server, variables) for name, server in checked.config.servers.items()}
    return msgspec.structs.replace(checked.config, servers=servers)


def override(config: Config, args: Sequence[str]) -> Config:
    """A file's configuration with the global flags of a command line on top, such as `--meta-only`.

    Raises:
        UsageError: A flag is unknown, or is about a single server, of which a file may have many.
    """
    flags = _Flags()
    flags.settings = {}
    flags.read(list(args), followed=False)
    if flags.server:
        raise UsageError(
            f"{flags.seen[0]} is about one server: set it in the configuration file, "
            "or name the server with -- COMMAND instead of a file"
        )
    name = flags.settings.get("profile")
    if name is not None and name not in config.profiles:
        hint = nearest(name, list(config.profiles))
        raise UsageError(f'--profile names "{name}", which the configuration does not have{hint}')
    if flags.only is not None:
        config = msgspec.structs.replace(config, servers=_chosen(config, flags.only))
    by_key = {field.encode_name: field.name for field in msgspec.structs.fields(Config)}
    changed = msgspec.structs.replace(config, **{by_key[k]: v for k, v in flags.settings.items()})
    if changed.meta_only and not changed.expose_meta_tools:
        raise UsageError(
            "--meta-only and exposeMetaTools: false are mutually exclusive: nothing would be listed"
        )
    return changed


def _chosen(config: Config, names: Sequence[str]) -> dict[str, Server]:
    for name in names:
        if name not in config.servers:
            hint = nearest(name, list(config.servers))
            raise UsageError(f'--only names "{name}", which the configuration does not have{hint}')
    return {name: server for name, server in config.servers.items() if name in names}


class _Flags:
    """The document that flags add up to."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {"cacheTtlSeconds": 0, "maxConcurrency": 20}
        self.server: dict[str, Any] = {}
        self.seen: list[str] = []
        self.only: list[str] | None = None

    def read(self, words: list[str], followed: bool) -> None:
        at = 0
        while at < len(words):
            flag = words[at]
            at += 1
            if flag in _SWITCHES:
                self.settings[_SWITCHES[flag]] = True
            elif flag in _VALUED:
                if at == len(words):
                    raise UsageError(f"Missing value for {flag}{' before --' if followed else ''}")
                self.seen.append(flag)
                self._value(flag, words[at])
                at += 1
            else:
                raise UsageError(
                    f'Unknown option "{flag}"{nearest(flag, (*_SWITCHES, *_VALUED, *_ELSEWHERE))}'
                )

    def refuse(self, flags: Sequence[str], beside: str) -> None:
        for flag in flags:
            if flag in self.seen:
                raise UsageError(f"{flag} has no meaning with {beside}")

    def _value(self, flag: str, text: str) -> None:
        if flag in _NUMBERS:
            key, minimum = _NUMBERS[flag]
            if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < minimum:
                raise UsageError(f"{flag} must be a {'positive' if minimum else 'non-negative'} integer")
            self.settings[key] = int(text)
        elif flag in _LISTS:
            names = [name.strip() for name in text.split(",") if name.strip()]
            if flag == "--only":
                self.only = names
            elif flag == "--tools":
                self.server["tools"] = names
            else:
                policy = self.server.setdefault("cachePolicy", {})
                policy["allowTools" if flag == "--cache-allow" else "denyTools"] = names
        elif flag == "--env":
            name, sign, value = text.partition("=")
            if not sign or not name:
                raise UsageError("--env must be KEY=VALUE")
            self.server.setdefault("env", {})[name] = value
        elif flag == "--header":
            name, sign, value = text.partition(":")
            if not sign or not name.strip():
                raise UsageError("--header must use Name:Value format")
            self.server.setdefault("headers", {})[name.strip()] = value.strip()
        elif flag == "--output-format":
            if text not in ("json", "toon", "auto"):
                raise UsageError('--output-format must be "json", "toon", or "auto"')
            self.settings["outputFormat"] = text
        elif flag == _PROFILE:
            self.settings["profile"] = text
        elif flag == "--transport":
            if text not in ("streamable-http", "sse"):
                raise UsageError('--transport must be "streamable-http" or "sse"')
            self.server["transport"] = text
        else:
            self.server["url"] = text


def nearest(word: str, known: Sequence[str]) -> str:
    """`: did you mean "..."?`, or nothing where no known word is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1)
    return f': did you mean "{near[0]}"?' if near else ""
