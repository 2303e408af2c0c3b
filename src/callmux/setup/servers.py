"""One server as an entry of our configuration, with its secrets kept elsewhere. Pure.

Called by `callmux.setup.plan`. What looks like a secret never stands in the
configuration: it becomes a reference to a variable or to a file of its own.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from callmux.clients.entry import Entry
from callmux.config.redact import MASK, is_secret_key, mask_command, mask_url
from callmux.config.references import template_of, written

_CONNECTION = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s@]*:[^/\s@]+@")
_REFERENCE = re.compile(r"^(?:(?:Bearer|Basic|Token) )?\$\{[^}]+\}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A secret and where it was.

    Attributes:
        label: What its file is called, such as `github-GITHUB_TOKEN`.
        variable: The environment variable of the same meaning; None where there is none.
        value: The secret.
    """

    label: str
    variable: str | None
    value: str

    def __repr__(self) -> str:
        return f"SecretValue({self.label})"


Keep = Callable[[SecretValue], str]
"""Gives the reference that stands for a secret: `env:NAME` or `file:PATH`."""


@dataclass(slots=True)
class Secrets:
    """Collects the secrets of servers and says where each is kept.

    Attributes:
        directory: Where files of secrets are, absolute.
        env: The variables there are.
        prefer_env: Whether to use a variable of that name which holds the very value, where there is one.
        occupied: Files that are there already: path and value.
        files: What was collected: path and value.
        kept: What was collected for `keyring:` references: name and value.
    """

    directory: str
    env: Mapping[str, str]
    prefer_env: bool = True
    occupied: Mapping[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def keep(self, secret: SecretValue) -> str:
        """The reference for a secret."""
        if self.prefer_env and secret.variable and self.env.get(secret.variable) == secret.value:
            return f"env:{secret.variable}"
        name = re.sub(r"[^A-Za-z0-9_-]", "_", secret.label)
        path, number = f"{self.directory}/{name}", 2
        while self.files.get(path, self.occupied.get(path, secret.value)) != secret.value:
            path, number = f"{self.directory}/{name}_{number}", number + 1
        if path not in self.occupied:
            self.files[path] = secret.value
        return f"file:{path}"


def is_secret(key: str, value: str) -> bool:
    """Whether a value looks like a secret, by its name or by its shape; a reference does not."""
    if not value or _REFERENCE.match(value):
        return False
    return is_secret_key(key) or mask_command([value])[0] != value or bool(_CONNECTION.search(value))


def server_document(name: str, entry: Entry, keep: Keep, project: str | None = None) -> dict[str, Any]:
    """The entry of our configuration.

    Args:
        name: The server's name, for the names of secrets.
        entry: The server.
        keep: Says where each secret is kept.
        project: The directory it is for: it goes on working there, whoever calls it.
    """
    document: dict[str, Any]
    if entry.command is not None:
        document = {"command": entry.command}
        if entry.args:
            document["args"] = _arguments(name, [entry.command, *entry.args], keep)
        document |= _environment(name, entry.env, keep)
        if entry.env_file is not None:
            document["envFile"] = entry.env_file
        cwd = entry.cwd if project is None else os.path.join(project, entry.cwd or "")
        if cwd is not None:
            document["cwd"] = cwd if project is None else os.path.normpath(cwd)
        if project is not None:
            document["cwdMode"] = "global"
    else:
        url = entry.url or ""
        address = _address(name, url, keep)
        document = {"url": written(url) if address == url else address}
        if entry.transport is not None:
            document["transport"] = entry.transport
        headers = {key: _header(name, key, value, keep) for key, value in entry.headers.items()}
        if headers:
            document["headers"] = headers
    more = {
        "tools": None if entry.tools is None else list(entry.tools),
        "denyTools": list(entry.denied) or None,
        "callTimeoutMs": entry.timeout_ms,
        "connectTimeoutMs": entry.connect_ms,
        "disabled": entry.disabled or None,
    }
    return document | {key: value for key, value in more.items() if value is not None}


def _environment(name: str, env: Mapping[str, str], keep: Keep) -> dict[str, Any]:
    # In clients' files there are no references of ours: what looks like one means itself.
    literal = {key: written(value) for key, value in env.items() if not is_secret(key, value)}
    secret = {
        key: keep(SecretValue(f"{name}-{key}", key, value))
        for key, value in env.items()
        if key not in literal
    }
    # A reference in `env` and one in `envRefs` are the same; a variable of the same name is the plain case.
    shown = {"env": literal, "envRefs": secret}
    return {key: value for key, value in shown.items() if value}


def _arguments(name: str, words: list[str], keep: Keep) -> list[str]:
    masked = mask_command(words)
    return [
        _argument(name, number, word, hidden, keep)
        for number, (word, hidden) in enumerate(zip(words[1:], masked[1:], strict=True), start=1)
    ]


def _argument(name: str, number: int, word: str, hidden: str, keep: Keep) -> str:
    if hidden == word and not _CONNECTION.search(word):
        return written(word)
    if not _is_plain(word):
        return written(word)
    head = hidden[: -len(MASK)] if hidden.endswith(MASK) and word.startswith(hidden[: -len(MASK)]) else ""
    return head + _inside(keep(SecretValue(f"{name}-arg{number}", None, word[len(head) :])))


def _address(name: str, url: str, keep: Keep) -> str:
    if "${" in url or mask_url(url) == url:
        return url
    return _inside(keep(SecretValue(f"{name}-url", None, url)))


def _header(name: str, key: str, value: str, keep: Keep) -> str:
    if not is_secret(key, value):
        return written(value)
    scheme, blank, rest = value.partition(" ")
    if blank and scheme.lower() in ("bearer", "basic", "token"):
        return f"{scheme} {_inside(keep(SecretValue(f'{name}-{key}', None, rest)))}"
    return _inside(keep(SecretValue(f"{name}-{key}", None, value)))


def _inside(reference: str) -> str:
    """A reference as it stands inside of a text."""
    scheme, _, rest = reference.partition(":")
    return f"${{{rest}}}" if scheme == "env" else f"${{{scheme}:{rest}}}"


class EnvSecrets(Secrets):
    """Keeps what belongs to a variable as its name; only what has none goes into a file."""

    __slots__ = ()

    def keep(self, secret: SecretValue) -> str:
        if secret.variable:
            return f"env:{secret.variable}"
        return Secrets.keep(self, secret)


class KeyringSecrets(Secrets):
    """Keeps secrets by name for `keyring:` references, as `callmux secret set` does; `occupied` are the names
    that there are already."""

    __slots__ = ()

    def keep(self, secret: SecretValue) -> str:
        label = re.sub(r"[^A-Za-z0-9_-]", "_", secret.label)[:90].lstrip("-")
        name, number = label, 2
        while self.kept.get(name, self.occupied.get(name, secret.value)) != secret.value:
            name, number = f"{label}_{number}", number + 1
        self.kept[name] = secret.value
        return f"keyring:{name}"


def kept_elsewhere(name: str, entry: Mapping[str, Any], keep: Keep) -> dict[tuple[str, ...], Any]:
    """What becomes of an entry of a configuration whose secrets stand in it: new values by their keys.

    Args:
        name: The server's name.
        entry: The entry as the file has it.
        keep: Says where each secret is kept.
    """
    changes: dict[tuple[str, ...], Any] = {}
    for key, value in _texts(entry.get("env")).items():
        if is_secret(key, value) and _is_plain(value):
            changes["env", key] = keep(SecretValue(f"{name}-{key}", key, value))
    for key, value in _texts(entry.get("headers")).items():
        if _is_plain(value) and (header := _header(name, key, value, keep)) not in (value, written(value)):
            changes["headers", key] = header
    command, args = entry.get("command"), entry.get("args")
    if isinstance(command, str) and isinstance(args, list) and all(isinstance(word, str) for word in args):
        words = [
            word if not _is_plain(word) or new == written(word) else new
            for word, new in zip(args, _arguments(name, [command, *args], keep), strict=True)
        ]
        if words != args:
            changes["args",] = words
    url = entry.get("url")
    if isinstance(url, str) and (address := _address(name, url, keep)) != url:
        changes["url",] = address
    return changes


def _is_plain(value: str) -> bool:
    return template_of(value) is None and "${" not in value


def _texts(values: object) -> dict[str, str]:
    if not isinstance(values, dict):
        return {}
    return {key: value for key, value in values.items() if isinstance(value, str)}
