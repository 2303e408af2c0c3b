"""An MCP server as a client's file has it, and whether it is callmux. Pure.

Made by `callmux.clients.dialects` and `callmux.clients.codex` from what a file says; used by whoever edits
such a file to tell our own entries from those of others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from callmux.config.security import LOOPBACK
from callmux.errors import CallmuxError

DEFAULT_NAME = "callmux"
DEFAULT_PORT = 4860

Flavour = Literal["python", "node"]

_PROGRAM = re.compile(r"callmux(?:\.(?:exe|cmd|bat))?", re.IGNORECASE)
_PACKAGE = re.compile(r"callmux(?:@[^\s]*|==[^\s]*)?")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*(?:\.exe)?", re.IGNORECASE)
_NODE = re.compile(r"(?:node|nodejs|bun|deno)(?:\.exe)?", re.IGNORECASE)
_NODE_SCRIPT = re.compile(r"(?:^|[/\\])callmux(?:\.m?js|[/\\]dist[/\\].*\.m?js)$")
_RUNNERS: dict[str, tuple[tuple[str, ...], Flavour]] = {
    "npx": ((), "node"),
    "pnpx": ((), "node"),
    "bunx": ((), "node"),
    "pnpm": (("dlx", "exec"), "node"),
    "yarn": (("dlx", "exec"), "node"),
    "npm": (("exec", "x"), "node"),
    "bun": (("x",), "node"),
    "uvx": ((), "python"),
    "uv": (("tool run", "x"), "python"),
    "pipx": (("run",), "python"),
}
"""Programs that fetch a package and run it: the words after them, and whose package it is."""
_VALUE_FLAGS = frozenset(
    {"-p", "--package", "--from", "--python", "--with", "--spec", "--registry", "--index-url", "--cache"}
)


class ClientFileError(CallmuxError):
    """A client's file that cannot be understood, or an entry in it that is not ours to change."""

    code = "client_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One server of a client's file.

    Attributes:
        command: The program; None where it is reached at a URL.
        args: Its arguments.
        env: Variables for it.
        cwd: Its working directory.
        url: Its address; None where it is a program.
        transport: `streamable-http` or `sse` where the file says so.
        headers: HTTP headers.
        env_headers: HTTP headers whose value is that of an environment variable.
        token_env: The variable that holds the token for the address.
        timeout_ms: Time for one call, where the file says so.
        connect_ms: Time to start, where the file says so.
        env_file: A file of variables for it.
        tools: The tools allowed, where the file says so.
        denied: The tools denied, where the file says so.
        disabled: Whether the file switches it off.
        input_names: `${input:...}` prompts that the entry uses.
    """

    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str | None = None
    transport: Literal["streamable-http", "sse"] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    env_headers: Mapping[str, str] = field(default_factory=dict)
    token_env: str | None = None
    timeout_ms: int | None = None
    connect_ms: int | None = None
    env_file: str | None = None
    tools: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()
    disabled: bool = False
    input_names: tuple[str, ...] = ()


def flavour(entry: Entry) -> Flavour | None:
    """Which callmux an entry starts: this one, the one for Node, or None where it starts something else.

    A plain `callmux` counts as this one: nothing in the entry tells the two apart.
    """
    found = own_arguments(entry)
    return None if found is None else found[0]


def own_arguments(entry: Entry) -> tuple[Flavour, tuple[str, ...]] | None:
    """Which callmux an entry starts, and the arguments that callmux itself gets."""
    if entry.command is None:
        return None
    words = [entry.command, *entry.args]
    if _base(words[0]).lower() in ("cmd", "cmd.exe") and len(words) > 2 and words[1].lower() in ("/c", "/k"):
        words = words[2:]
    program, rest = _base(words[0]), words[1:]
    if _PROGRAM.fullmatch(program):
        return "python", tuple(rest)
    if _PYTHON.fullmatch(program):
        return ("python", tuple(rest[2:])) if rest[:2] == ["-m", "callmux"] else None
    if _NODE.fullmatch(program) and program.lower().removesuffix(".exe") != "bun":
        at = next((n for n, word in enumerate(rest) if not word.startswith("-")), None)
        if at is not None and _NODE_SCRIPT.search(rest[at]):
            return "node", tuple(rest[at + 1 :])
        return None
    runner = _RUNNERS.get(re.sub(r"\.(exe|cmd)$", "", program.lower()))
    return None if runner is None else _run_by(runner[0], runner[1], rest)


def _run_by(
    verbs: Sequence[str], whose: Flavour, words: Sequence[str]
) -> tuple[Flavour, tuple[str, ...]] | None:
    rest = list(words)
    if verbs:
        verb = next((verb for verb in verbs if rest[: len(verb.split())] == verb.split()), None)
        if verb is None:
            return None
        rest = rest[len(verb.split()) :]
    while rest and rest[0].startswith("-"):
        rest = rest[2:] if rest[0] in _VALUE_FLAGS else rest[1:]
    if not rest or not _PACKAGE.fullmatch(rest[0]):
        return None
    after = rest[2:] if rest[1:2] == ["--"] and whose == "node" else rest[1:]
    return whose, tuple(after)


def looks_like_listener(name: str, entry: Entry) -> bool:
    """Whether an address is most likely that of a callmux listener on this machine.

    It is on loopback with the paths a listener has, and named `callmux` or on callmux's own port.
    """
    try:
        parts = urlsplit(entry.url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if host not in (*LOOPBACK, "::1") or parts.path not in ("", "/", "/mcp", "/sse"):
        return False
    return name == DEFAULT_NAME or port == DEFAULT_PORT


def strings(value: Any) -> dict[str, str]:
    """The members of an object whose values are text; numbers and booleans are written out."""
    if not isinstance(value, Mapping):
        return {}
    return {
        str(key): item
        if isinstance(item, str)
        else str(item).lower()
        if isinstance(item, bool)
        else str(item)
        for key, item in value.items()
        if isinstance(item, str | int | float)
    }


def _base(path: str) -> str:
    return re.split(r"[/\\]", path)[-1]
