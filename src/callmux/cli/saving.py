"""Writes configuration files so that no reader ever sees half of one, and nobody else reads a new one.

Called by `callmux.cli.init` and by the commands that edit servers.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from callmux.errors import CallmuxError
from callmux.private_files import turn
from callmux.text import NotText, text_of

PRIVATE_FILE, PRIVATE_DIRECTORY = 0o600, 0o700
BACKUPS = 10
"""Old versions of a file that are kept."""


class SaveFailed(CallmuxError):
    """A file that could not be written; the old one is still there."""

    code = "save_failed"


def save_text(path: Path, text: str, *, backup: bool = True) -> None:
    """Writes `text` to `path` in one step, readable by its owner only.

    A file that was there before goes to `<path>.bak`, an older one to `<path>.bak.1`, and so on. Where
    `path` is a symbolic link, the file it leads to is replaced and the link stays.

    Raises:
        SaveFailed: It could not be written.
    """
    data = text.encode()
    try:
        if backup and path.exists():
            _keep(path, path.read_bytes())
        _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise _failed(path, error) from None


def edit_text(path: Path, edit: Callable[[str], str]) -> bool:
    """Reads a file, lets `edit` change its text, and writes it in one step.

    The old content goes to `<path>.bak`, what was there before to `<path>.bak.1`, and so on. Symbolic links
    are followed; mode and owner stay. Other callmux processes wait for their turn, and a change that any
    other program makes in between is noticed.

    Args:
        path: The file; one that does not exist counts as empty, and is made for its owner only.
        edit: Gets the text and gives the new one; what it raises passes, and nothing is written.

    Returns:
        Whether anything changed.

    Raises:
        SaveFailed: It could not be read or written, or it was changed meanwhile.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        with turn(target.parent):
            before = _bytes_of(target)
            # newline="" would do this for a file: line breaks stay as they are.
            after = edit(text_of(before or b"", path)).encode()
            if after == before:
                return False
            if before is not None:
                _keep(path, before)
            _replace(target, after, expected=before)
    except NotText as error:
        raise SaveFailed(f"cannot edit {error.message}") from None
    except OSError as error:
        raise _failed(path, error) from None
    return True


def _keep(path: Path, content: bytes) -> None:
    """Keeps what a file held as its newest backup; older ones get the next number, the oldest goes."""
    newest = path.with_name(f"{path.name}.bak")
    if newest.exists():
        if newest.read_bytes() == content:
            return
        older = [path.with_name(f"{path.name}.bak.{number}") for number in range(1, BACKUPS)]
        free = next((number for number, file in enumerate(older) if not file.exists()), len(older) - 1)
        for number in range(free, 0, -1):
            os.replace(older[number - 1], older[number])
        os.replace(newest, older[0])
    _replace(newest, content)


def _failed(path: Path, error: OSError) -> SaveFailed:
    return SaveFailed(f'cannot write "{path}": {error.strerror or error}')


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


_ANY = object()


def _replace(target: Path, data: bytes, expected: object = _ANY) -> None:
    """Puts `data` in the place of `target`, which has to hold `expected` right before."""
    target.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(temporary, flags, PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            if expected is not _ANY and expected is not None:
                _keep_ownership(descriptor, target)
            file.flush()
            os.fsync(descriptor)
        if expected is not _ANY and _bytes_of(target) != expected:
            raise SaveFailed(
                f'"{target}" was changed by another program in this moment: nothing was written, try again'
            )
        os.replace(temporary, target)
    finally:
        # Gone already, unless something went wrong.
        temporary.unlink(missing_ok=True)


def _keep_ownership(descriptor: int, target: Path) -> None:
    """Mode and owner of `target`, for a file that will take its place; the mode first, as far as allowed."""
    if os.name != "posix":
        return
    old, new = target.stat(), os.fstat(descriptor)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        # Only root may give files away; with another group, its members must not read what they could not.
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError:
            os.fchmod(descriptor, old.st_mode & 0o707)
            return
    os.fchmod(descriptor, old.st_mode & 0o777)
