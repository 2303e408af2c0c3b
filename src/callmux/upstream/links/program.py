"""Where the program of a server is, or why it cannot be run and what to do about that.

Called by `callmux.upstream.links.child` before it starts one, and by `callmux.doctor`, which says it
beforehand.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ELSEWHERE = (
    *("~/.nvm/versions/node/*/bin", "~/.volta/bin", "~/.local/share/fnm/node-versions/*/installation/bin"),
    *("~/.local/bin", "~/.cargo/bin", "~/.bun/bin", "~/.deno/bin", "~/.pyenv/shims", "~/.asdf/shims"),
    *("~/.local/share/mise/shims", "~/.nix-profile/bin", "~/go/bin", "~/bin", "/opt/homebrew/bin"),
    *("/home/linuxbrew/.linuxbrew/bin", "/usr/local/bin", "/snap/bin", "/usr/bin", "/bin"),
)
"""Where programs are that the PATH of a terminal leads to, and that of a desktop or a service may not."""
LONGEST_PATH = 400
"""Characters of a PATH that are shown."""
_INTERPRETERS = {
    ".py": "python3",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".ts": "npx tsx",
    ".sh": "sh",
}


def find_program(command: str, env: Mapping[str, str], cwd: str | None = None) -> str | None:
    """The file that a command means, or None where there is none that can be run.

    Args:
        command: A path, or a name on the PATH.
        env: The environment the program will have.
        cwd: The directory it will run in; ours where absent.
    """
    if _is_path(command):
        path = _file(command, cwd)
        return path if os.path.isfile(path) and os.access(path, os.X_OK) else None
    if sys.platform == "win32":
        import shutil

        return shutil.which(command, path=_path(env))
    # As `shutil.which` does, which takes long to import: an empty entry is the directory we are in.
    for folder in _path(env).split(os.pathsep) if _path(env) else ():
        path = os.path.join(folder, command)
        if os.access(path, os.F_OK | os.X_OK) and not os.path.isdir(path):
            return path
    return None


def missing_program(command: str, env: Mapping[str, str], cwd: str | None = None) -> str:
    """Why a command that `find_program` does not find cannot be run, and what to do."""
    if _is_path(command):
        path = _file(command, cwd)
        return (
            _wrong_file(command, path) or _blanks(command, env, cwd) or f'command "{command}" does not exist'
        )
    for folder in _folders(env):
        # `find_program` passes over what cannot be run.
        if problem := _wrong_file(command, os.path.join(folder, command)):
            return problem
    here = _file(command, cwd)
    if os.path.exists(here):
        problem = _wrong_file(command, here)
        return problem or (
            f'command "{command}" was not found on PATH. It is a file in {os.path.dirname(here)}:'
            f' write "./{command}"'
        )
    if problem := _blanks(command, env, cwd):
        return problem
    searched = ":".join(_folders(env))
    if len(searched) > LONGEST_PATH:
        searched = f"{searched[:LONGEST_PATH]}..."
    text = f'command "{command}" was not found on PATH (searched: {searched or "nothing, PATH is empty"})'
    if found := next(_elsewhere(command, env), None):
        text += f". It is at {found}: write that path as the command, or add {os.path.dirname(found)} to PATH"
    return text


def _is_path(command: str) -> bool:
    return os.sep in command or (os.altsep is not None and os.altsep in command)


def _file(command: str, cwd: str | None) -> str:
    return os.path.join(os.path.abspath(cwd or "."), command.removeprefix(f".{os.sep}"))


def _path(env: Mapping[str, str]) -> str:
    return env.get("PATH", os.defpath)


def _folders(env: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(folder for folder in _path(env).split(os.pathsep) if folder))


def _wrong_file(command: str, path: str) -> str | None:
    """What is wrong with a file that is there; None where there is none, or nothing wrong."""
    if os.path.isdir(path):
        return f'command "{command}" is a directory ({path}), not a program'
    if not os.path.exists(path) or os.access(path, os.X_OK):
        return None
    import shlex

    interpreter = _INTERPRETERS.get(os.path.splitext(path)[1])
    text = f'command "{command}" exists ({path}) but is not executable: run "chmod +x {shlex.quote(path)}"'
    if interpreter is not None:
        name, *words = interpreter.split()
        text += (
            f', or write "{name}" as the command and {" ".join([*words, shlex.quote(path)])} as its argument'
        )
    return text


def _blanks(command: str, env: Mapping[str, str], cwd: str | None) -> str | None:
    """A whole command line in the place of the command."""
    first, _, rest = command.strip().partition(" ")
    if rest and find_program(first, env, cwd) is not None:
        return (
            f'command "{command}" is a whole command line: write "{first}" as the command,'
            " and the rest as args"
        )
    return None


def _elsewhere(command: str, env: Mapping[str, str]) -> Iterator[str]:
    from glob import glob

    home = env.get("HOME") or str(Path.home())
    tried = set(_folders(env))
    for pattern in ELSEWHERE:
        for folder in sorted(glob(pattern.replace("~", home, 1)), reverse=True):
            path = os.path.join(folder, command)
            if folder not in tried and os.path.isfile(path) and os.access(path, os.X_OK):
                yield path
