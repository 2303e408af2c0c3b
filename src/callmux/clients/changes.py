"""Writes a set of files all or not at all, keeps what was there, and takes it back on request.

Called by `callmux.cli.client`, `callmux.cli.setup` and `callmux.cli.migrate`. What was there goes into a
folder of its own under `~/.config/callmux/backups`, with a list of what was written; nobody else may read
it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callmux.errors import CallmuxError
from callmux.text import NotText, text_of

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700
KEPT = 20
"""Backups of single edits that are kept; those of `setup` and `migrate` are never removed."""
_LIST = "list.json"
VERSION = 1
"""Of that list."""


class ChangeFailed(CallmuxError):
    """Files that could not be written or taken back; those that were there are as they were."""

    code = "change_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One file that will be written.

    Attributes:
        path: The file; a symbolic link is followed and stays.
        before: Its content as it was read; None where it was not there.
        after: What it will hold; None removes it.
        paths: Keys in it that are changed, each from the root: what can be taken back one by one where the
            file was changed by others since.
        mode: The mode it is to have; None keeps the one it has, and a new file is its owner's alone.
    """

    path: Path
    before: bytes | None
    after: bytes | None
    paths: tuple[tuple[str, ...], ...] = ()
    mode: int | None = None

    @property
    def is_real(self) -> bool:
        """Whether it changes anything."""
        return self.before != self.after or self.mode is not None


def backups(home: Path) -> Path:
    """The folder of all backups."""
    return home / ".config" / "callmux" / "backups"


def apply(changes: Sequence[Change], store: Path, label: str, stamp: str) -> Path | None:
    """Writes the files: everything is made ready first, then put in place, and taken back if one fails.

    Args:
        changes: What to write.
        store: The folder of backups.
        label: `client`, `setup` or `migrate`: what `undo` looks for.
        stamp: The time, as it sorts.

    Returns:
        The backup's folder, or None where nothing changes.

    Raises:
        ChangeFailed: A file was changed since it was read, or cannot be written. Nothing is different then.
    """
    real = [change for change in changes if change.is_real]
    if not real:
        return None
    targets = [Path(os.path.realpath(change.path)) for change in real]
    for change, target in zip(real, targets, strict=True):
        if _bytes(target) != change.before:
            raise ChangeFailed(
                f'"{change.path}" was changed while this ran: nothing was written, run it again'
            )
    modes = [_mode(target) for target in targets]
    for target in targets:
        _sweep(target)
    made: list[Path] = []
    staged: list[Path | None] = []
    replaced = 0
    done = False
    folder = store / f"{stamp}-{label}"
    at = folder
    try:
        for change, target in zip(real, targets, strict=True):
            at = target
            made += _directories(target.parent)
            staged.append(None if change.after is None else _stage(target, change.after, change.mode))
        at = folder
        _keep(folder, real, targets, modes, made)
        for target, temporary in zip(targets, staged, strict=True):
            replaced += 1
            at = target
            if temporary is None:
                target.unlink(missing_ok=True)
            else:
                os.replace(temporary, target)
        done = True
    except OSError as error:
        # The error itself names a file beside it, which nobody has heard of.
        reason = error.strerror or str(error)
        raise ChangeFailed(f'cannot write "{at}": {reason}; no file was changed') from None
    finally:
        # Also where Ctrl-C came in between.
        if not done:
            for change, target, mode in list(zip(real, targets, modes, strict=True))[:replaced]:
                _restore(target, change.before, mode)
            for temporary in staged:
                if temporary is not None:
                    temporary.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            _remove_directories(made)
    _prune(store)
    return folder


@dataclass(frozen=True, slots=True)
class Undone:
    """What `undo` did.

    Attributes:
        restored: Files that are again byte for byte as before.
        removed: Files that were not there before and are gone again.
        edited: Files that others have changed since: only our own changes were taken back.
        left: Files that others have changed since and that stay; each with the reason.
    """

    folder: Path
    restored: tuple[Path, ...]
    removed: tuple[Path, ...]
    edited: tuple[Path, ...]
    left: tuple[tuple[Path, str], ...]


def last(store: Path, label: str) -> Path | None:
    """The newest backup of that label that was not taken back yet."""
    if not store.is_dir():
        return None
    found = sorted(folder for folder in store.iterdir() if folder.name.endswith(f"-{label}"))
    return next((folder for folder in reversed(found) if (folder / _LIST).is_file()), None)


def undo(folder: Path) -> Undone:
    """Takes back what `apply` wrote.

    Raises:
        ChangeFailed: The backup cannot be read, or a file cannot be written.
    """
    try:
        listed: dict[str, Any] = json.loads(text_of((folder / _LIST).read_bytes(), folder / _LIST))
        if listed.get("version", VERSION) > VERSION:
            raise ChangeFailed(f"{folder / _LIST} is of a newer callmux: take it back with that one")
        restored: list[Path] = []
        removed: list[Path] = []
        edited: list[Path] = []
        left: list[tuple[Path, str]] = []
        for number, item in enumerate(listed["files"]):
            path, target = Path(item["path"]), Path(item["target"])
            _sweep(target)
            before = (folder / str(number)).read_bytes() if item["existed"] else None
            now = _bytes(target)
            if now == before and _mode(target) == item["mode"]:
                restored.append(path)
            elif _digest(now) == item["written"]:
                _restore(target, before, item["mode"])
                (removed if before is None else restored).append(path)
            elif (text := _taken_back(str(path), before, now, item, left)) is not None:
                _restore(target, text)
                edited.append(path)
            else:
                left.append((path, "it was changed since"))
        _remove_directories([Path(directory) for directory in listed["made"]])
        os.replace(folder / _LIST, folder / f"undone-{_LIST}")
    except (OSError, ValueError, KeyError, TypeError, NotText) as error:
        raise ChangeFailed(f'cannot take back what "{folder}" lists: {error}') from None
    return Undone(folder, tuple(restored), tuple(removed), tuple(edited), tuple(left))


def _taken_back(
    file: str, before: bytes | None, now: bytes | None, item: Mapping[str, Any], left: list[tuple[Path, str]]
) -> bytes | None:
    """The file as it is now, with our own keys as they were; None where that cannot be done.

    A server that was taken out and that somebody has entered anew since is theirs, and goes on `left`.
    """
    paths: list[list[str]] = item["paths"]
    if now is None or not paths:
        return None
    from callmux.clients.reverting import entered_since, revert

    text = text_of(now, file)
    newer = entered_since(file, text, item.get("removed", []))
    reverted = revert(file, text_of(before or b"", file), text, [path for path in paths if path not in newer])
    if reverted is None:
        return None
    left += [(Path(file), f'"{path[-1]}" was entered anew since, and stays so') for path in newer]
    return reverted.encode()


def _keep(
    folder: Path,
    changes: Sequence[Change],
    targets: Sequence[Path],
    modes: Sequence[int | None],
    made: Sequence[Path],
) -> None:
    _directories(folder)
    files = []
    for number, (change, target, mode) in enumerate(zip(changes, targets, modes, strict=True)):
        if change.before is not None:
            _write(folder / str(number), change.before, PRIVATE_FILE)
        files.append(
            {
                "path": str(change.path),
                "target": str(target),
                "existed": change.before is not None,
                "mode": mode,
                "written": _digest(change.after),
                "paths": [list(path) for path in change.paths],
                "removed": _removed(change),
            }
        )
    listed = {"version": VERSION, "files": files, "made": [str(path) for path in made]}
    _write(folder / _LIST, json.dumps(listed, indent=2).encode() + b"\n", PRIVATE_FILE)


def _removed(change: Change) -> list[list[str]]:
    """The paths that are not in the new content."""
    if change.after is None or not change.paths:
        return []
    from callmux.clients.reverting import entered_since

    file = str(change.path)
    there = entered_since(file, text_of(change.after, file), change.paths)
    return [list(path) for path in change.paths if path not in there]


def _prune(store: Path) -> None:
    single = sorted(folder for folder in store.iterdir() if folder.name.endswith("-client"))
    for folder in single[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ChangeFailed(f'cannot read "{path}": {error.strerror or error}') from None


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _restore(target: Path, content: bytes | None, mode: int | None = None) -> None:
    if content is None:
        target.unlink(missing_ok=True)
    else:
        os.replace(_stage(target, content, mode), target)


def _stage(target: Path, content: bytes, mode: int | None) -> Path:
    """A file beside `target` with that content, and with that mode or the one of the file it will replace."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    mode = mode if mode is not None else _mode(target)
    mode = PRIVATE_FILE if mode is None else mode
    done = False
    try:
        _write(temporary, content, mode)
        done = True
    finally:
        if not done:
            temporary.unlink(missing_ok=True)
    return temporary


def _sweep(target: Path) -> None:
    """Removes what a run that was killed has left beside a file: it may hold credentials."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}\.tmp")
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            if name.fullmatch(path.name):
                path.unlink(missing_ok=True)


def _write(path: Path, content: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, PRIVATE_FILE)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    # Not before it is written: a file that only its owner may read must never be open to others.
    os.chmod(path, mode)


def _directories(directory: Path) -> list[Path]:
    """Makes a directory; gives those that were not there, outermost first."""
    missing = []
    at = directory
    while not at.exists():
        missing.append(at)
        at = at.parent
    for path in reversed(missing):
        path.mkdir(mode=PRIVATE_DIRECTORY)
    return list(reversed(missing))


def _remove_directories(made: Sequence[Path]) -> None:
    for path in reversed(made):
        # Others may have put something there.
        with contextlib.suppress(OSError):
            path.rmdir()
