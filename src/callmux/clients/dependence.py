"""What is known of a server before it runs: whether its directory matters to it, and what it keeps. Pure.

Called by `callmux.setup.processes` and `callmux.doctor.directories`; what trying a server shows comes from
`callmux.doctor.two_directories`. The servers that setup offers say it themselves
(`callmux.clients.registry`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from callmux.clients.packages import packaged, program_of
from callmux.clients.registry import KNOWN
from callmux.upstream.links.container import contained

Mode = Literal["global", "session"]

_REMOTE = frozenset({"ssh", "kubectl", "mcp-remote"})
"""Programs whose server runs elsewhere: it does not see the directory."""
_PATH_VARIABLE = re.compile(r"(?:^|_)(?:PATH|DIR|DIRECTORY|FILE|ROOT|FOLDER|WORKSPACE|DB)$", re.IGNORECASE)
_RELATIVE = re.compile(r"\.{1,2}(?:[/\\].*)?|(?![/~$\\])[^:=@\s]*[/\\][^:\s]*")
"""`.`, `..`, `./x`, `x/y`; no address, variable, or path from the root or from home."""
_DIRECTORY_VARIABLE = re.compile(r"\$\{?(?:PWD|CWD|INIT_CWD)\b|\$\{(?:workspaceFolder|workspaceRoot)\b")
_SHELLS = frozenset({"sh", "bash", "zsh"})
_SCRIPTS = re.compile(r"(?:python|pypy)[0-9.]*w?|node|nodejs|bun|deno|tsx|ts-node|sh|bash|zsh|ruby|php|perl")
_GOES_FIRST = re.compile(r"\s*cd\s+([^\s;&|]+)\s*(?:&&|;)")

SAME = "what it lists and answers is the same in every directory"
UNCHANGED = "it is the same in two empty directories, and it speaks of no files or projects"
"""Of a server that is known by nothing but a try in two directories."""
OTHERS: Mapping[str, tuple[str, str]] = {
    "@modelcontextprotocol/server-github": ("", ""),
    "@modelcontextprotocol/server-gitlab": ("", ""),
    "@modelcontextprotocol/server-slack": ("", ""),
    "@modelcontextprotocol/server-google-maps": ("", ""),
    "@modelcontextprotocol/server-brave-search": ("", ""),
    "@modelcontextprotocol/server-postgres": ("", "its connection to the database"),
    "@modelcontextprotocol/server-puppeteer": (
        "agents that work in different directories must not share its browser",
        "its browser",
    ),
    "chrome-devtools-mcp": (
        "agents that work in different directories must not share its browser",
        "its browser",
    ),
    "tavily-mcp": ("", ""),
    "exa-mcp-server": ("", ""),
}
"""Packages that setup does not offer: why the directory matters to one, and what it keeps; empty for
neither."""
IMAGES = {
    "mcp/filesystem": "filesystem",
    "mcp/git": "git",
    "mcp/fetch": "fetch",
    "mcp/time": "time",
    "mcp/memory": "memory",
    "mcp/sequentialthinking": "sequential-thinking",
    "mcp/brave-search": "brave-search",
    "mcp/notion": "notion",
    "mcp/context7": "context7",
    "mcp/playwright": "playwright",
}
"""Images that servers of the list are also found in."""
PROGRAMS = {
    "mcp-server-filesystem": "filesystem",
    "mcp-server-memory": "memory",
    "mcp-server-everything": "everything",
    "mcp-server-sequential-thinking": "sequential-thinking",
    "context7-mcp": "context7",
    "mcp-server-playwright": "playwright",
    "playwright-mcp": "playwright",
    "notion-mcp-server": "notion",
    "brave-search-mcp-server": "brave-search",
}
"""What the programs of such packages are called once they are installed."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """How a server depends on the directory it runs in.

    Attributes:
        mode: `global` where one process does for all directories, `session` where each needs one.
        reason: Why, as the end of a sentence.
        unless_roots: Whether that holds only for a server that does not ask its client for MCP roots.
    """

    mode: Mode
    reason: str
    unless_roots: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of trying a server in two directories.

    Attributes:
        changes: What changed with the directory, as the end of a sentence; None for nothing.
        asks_for_roots: Whether it asks its client for the directories that it works in.
        speaks_of: A word by which it speaks of what stands in directories; None for no such word.
        problem: Why it could not be tried; None where it could.
    """

    changes: str | None = None
    asks_for_roots: bool = False
    speaks_of: str | None = None
    problem: str | None = None


def known_dependence(
    command: str, args: Sequence[str] = (), env: Mapping[str, str] | None = None, cwd: str | None = None
) -> Dependence | None:
    """What a server's entry tells; None where only the server knows.

    Args:
        cwd: The directory that the entry gives it, where it is to work there whoever calls it.
    """
    found = packaged(command, args)
    traits = _traits(found.name)
    if traits is not None and traits[0]:
        return Dependence("session", traits[0])
    place = _went_to(command, args) or (cwd if cwd is not None and _is_fixed(cwd) else None)
    if place is not None:
        return Dependence("global", f"it works in {place}, whoever calls it", unless_roots=traits is None)
    if (script := _relative_script(command, args)) is not None:
        return Dependence("session", f"it is started from {script}, which counts from the directory")
    if found.name in _REMOTE or program_of(command) in _REMOTE:
        return Dependence("global", "the server itself runs elsewhere")
    if traits is None:
        return None
    in_container = contained(program_of(command), args) is not None
    given = _relative_path([command, *args] if in_container else found.args, env or {})
    if given is not None:
        return Dependence("session", f"it is given {given}, which counts from the directory")
    return Dependence("global", SAME)


def keeps_nothing(command: str, args: Sequence[str] = ()) -> bool:
    """Whether a server is known to keep nothing between calls: then it can be stopped and started again."""
    traits = _traits(packaged(command, args).name)
    return traits is not None and not traits[1]


def _traits(name: str) -> tuple[str, str] | None:
    """Why the directory matters to a known package, and what it keeps."""
    key = PROGRAMS.get(name) or IMAGES.get(name) or _OF_THE_LIST.get(name)
    if key is not None:
        return KNOWN[key].directory, KNOWN[key].keeps
    return OTHERS.get(name)


_OF_THE_LIST = {
    packaged(known.command[0], known.command[1:]).name: key for key, known in KNOWN.items() if known.command
}


def _went_to(command: str, args: Sequence[str]) -> str | None:
    """The directory that a command changes to, where that is always the same."""
    program, place = program_of(command), ""
    if program in _SHELLS and len(args) > 1 and re.fullmatch(r"-[a-z]*c", args[0]):
        found = _GOES_FIRST.match(args[1])
        place = found[1].strip("\"'") if found else ""
    elif program == "uv":
        place = _directory_of_uv(args)
    return place if _is_fixed(place) else None


def _directory_of_uv(args: Sequence[str]) -> str:
    """What `uv --directory` says; what stands behind the server's own program is for that."""
    valued = False
    for n, word in enumerate(args):
        flag, sign, value = word.partition("=")
        if flag == "--directory":
            return value if sign else "".join(args[n + 1 : n + 2])
        if not word.startswith("-") and not valued and word not in ("run", "tool", "x"):
            return ""
        valued = word.startswith("-") and not sign
    return ""


def _relative_script(command: str, args: Sequence[str]) -> str | None:
    """A program or script that is looked for in the directory."""
    if _RELATIVE.fullmatch(command):
        return command
    program, words = program_of(command), list(args)
    if program == "uv" and words[:1] == ["run"]:
        words = words[1:]
    elif not _SCRIPTS.fullmatch(program):
        return None
    if program == "deno" and words[:1] == ["run"]:
        words = words[1:]
    for word in words:
        if word in ("-m", "-c", "-e", "--eval", "-lc", "-p"):
            return None
        if not word.startswith("-"):
            named = re.fullmatch(r"[^/\\~$]+\.(?:py|m?js|cjs|ts|sh|rb|php|pl)", word)
            return word if named or _RELATIVE.fullmatch(word) else None
    return None


def _relative_path(words: Sequence[str], env: Mapping[str, str]) -> str | None:
    """A path among arguments and variables that counts from the directory, or names it. What else stands
    there may be a secret, and is not shown."""
    for word in words:
        flag, sign, value = word.partition("=")
        path = value if sign and flag.startswith("-") else word
        if _DIRECTORY_VARIABLE.search(path) or (_RELATIVE.fullmatch(path) and not _is_image(path)):
            return f'"{path}"' if path.startswith((".", "$")) else "a path"
    for name, value in env.items():
        relative = bool(value) and not _is_fixed(value) and "://" not in value and not value.startswith("$")
        if _DIRECTORY_VARIABLE.search(value) or (_PATH_VARIABLE.search(name) and relative):
            return f"a path in {name}"
    return None


def _is_image(path: str) -> bool:
    """Whether it is the name of a known image, and no path."""
    return packaged("docker", ["run", path]).name in IMAGES


def _is_fixed(path: str) -> bool:
    """Whether a path is the same in every directory."""
    return path.startswith(("/", "~", "\\\\")) or re.match(r"[A-Za-z]:[/\\]|\$\{?HOME\b", path) is not None
