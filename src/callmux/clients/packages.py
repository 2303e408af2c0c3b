"""Which package a command runs: the name behind `npx`, `uvx`, `docker run` and the like. Pure.

Called by `callmux.clients.dependence`, which knows some of these packages. Which word behind `docker run` is
the image is known to `callmux.upstream.links.container`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from callmux.upstream.links.container import contained

_SHELLS = re.compile(r"cmd|env", re.IGNORECASE)
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*w?")
_NODE = re.compile(r"node|nodejs|bun|deno|tsx|ts-node")
_RUNNERS: dict[str, tuple[str, ...]] = {
    "npx": ("",),
    "pnpx": ("",),
    "bunx": ("",),
    "npm": ("exec", "x"),
    "pnpm": ("dlx", "exec"),
    "yarn": ("dlx", "exec"),
    "bun": ("x",),
    "uvx": ("",),
    "uv": ("tool run", "x"),
    "pipx": ("run",),
}
"""Programs that fetch a package and run it, and the words that say so."""
_NAMING = frozenset({"-p", "--package", "--from", "--spec"})
"""Flags that name the package, where the word behind them all is a program of it."""
_TAKING = frozenset(
    {
        "--python",
        "--with",
        "--registry",
        "--index-url",
        "--index",
        "--cache",
        "-c",
        "--call",
        "--node-options",
    }
)
"""Flags of these programs with a word of their own."""
_MODULES = re.compile(r"[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)(?:[/\\]|$)")
_SITE = re.compile(r"[/\\](?:site-packages|dist-packages)[/\\]([^/\\]+)")


@dataclass(frozen=True, slots=True)
class Packaged:
    """What a command line runs.

    Attributes:
        name: The package, without its version and in small letters; or the program itself, or the image.
        args: The arguments that it gets.
    """

    name: str
    args: tuple[str, ...]


def packaged(command: str, args: Sequence[str]) -> Packaged:
    """What a command line runs, behind wrappers, runners and interpreters."""
    words = _bare([command, *args])
    program = program_of(words[0])
    rest = words[1:]
    if inside := _inside(words[0]):
        return Packaged(inside, tuple(rest))
    if program in _RUNNERS and (behind := _behind_verb(program, rest)) is not None:
        return _fetched(behind)
    if (inside_of_it := contained(program, rest)) is not None:
        return _image(inside_of_it)
    if _PYTHON.fullmatch(program) and "-m" in rest:
        after = rest.index("-m") + 1
        if all(word.startswith("-") for word in rest[:after]) and rest[after:]:
            return Packaged(_plain(rest[after].split(".")[0]), tuple(rest[after + 1 :]))
    if _PYTHON.fullmatch(program) or _NODE.fullmatch(program):
        at = next((n for n, word in enumerate(rest) if not word.startswith("-")), None)
        if at is not None:
            return Packaged(_inside(rest[at]) or rest[at], tuple(rest[at + 1 :]))
    return Packaged(_plain(program), tuple(rest))


def program_of(command: str) -> str:
    """The name of a program, without its directory and what Windows puts behind it."""
    return re.sub(r"\.(?:exe|cmd|bat)$", "", re.split(r"[/\\]", command)[-1], flags=re.IGNORECASE).lower()


def _bare(words: list[str]) -> list[str]:
    """The words without `cmd /c` and `env NAME=VALUE` before them."""
    while len(words) > 1 and _SHELLS.fullmatch(program_of(words[0])):
        rest = words[1:]
        while rest[1:] and (rest[0].lower() in ("/c", "/k") or re.match(r"\w+=|-", rest[0])):
            rest = rest[1:]
        words = rest
    return words


def _behind_verb(program: str, rest: list[str]) -> list[str] | None:
    for verb in _RUNNERS[program]:
        said = verb.split()
        if rest[: len(said)] == said:
            return rest[len(said) :]
    return None


def _fetched(words: list[str]) -> Packaged:
    named: str | None = None
    while words and words[0].startswith("-"):
        flag, sign, value = words[0].partition("=")
        if flag == "--" and not sign:
            words = words[1:]
            break
        taken = value if sign else words[1] if len(words) > 1 else ""
        if flag in _NAMING:
            named = named or taken
        words = words[2:] if not sign and flag in _NAMING | _TAKING else words[1:]
    if not words:
        return Packaged(_plain(named or ""), ())
    after = words[1:]
    return Packaged(_plain(named or words[0]), tuple(after[1:] if after[:1] == ["--"] else after))


def _image(words: Sequence[str]) -> Packaged:
    """What `docker run` runs: the image and what that is given."""
    if not words:
        return Packaged("", ())
    name = re.sub(r"@sha256:.*$|:[^/:]*$", "", words[0]).lower()
    return Packaged(name.removeprefix("docker.io/"), tuple(words[1:]))


def _inside(path: str) -> str | None:
    """The package that a file belongs to, by where it is."""
    found = _MODULES.search(path) or _SITE.search(path)
    if found is None or found[1] == ".bin":
        return None
    return _plain(found[1].replace("\\", "/"))


def _plain(name: str) -> str:
    """A package's name without version and extras; Python's are spelled with dashes."""
    name = re.sub(r"(?<=.)@[^/]*$|\[[^\]]*\]|\s*[=<>~!]=?.*$", "", name).lower()
    return name if name.startswith("@") else name.replace("_", "-")
