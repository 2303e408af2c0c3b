"""Writes compiled code into the user's directory for caches, and clears what nobody starts from any more.

Called by `callmux.kept_code`, once something had to be compiled. A directory belongs to one installation of
callmux and one Python. It has one file a module, which the next code of that module replaces, so it does not
grow without end. When a new directory is made, those from which nothing was started for a month go.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

MONTH_SECONDS = 30 * 86_400
MOST_OTHERS = 8
"""So many directories of other installations stay: those that were used last."""
HOUR_SECONDS = 3600
SECOND_NS = 1_000_000_000
TICK_NS = 100_000_000
"""The longest between two times that the clock of a file system tells apart."""
SUFFIX = ".new"


def is_settled(changed_ns: int) -> bool:
    """Whether a source would get another time if it were written once more now.

    Args:
        changed_ns: When it was changed. Whole seconds are those of a file system that has no others.
    """
    tick = 2 * SECOND_NS if changed_ns % SECOND_NS == 0 else TICK_NS
    return abs(time.time_ns() - changed_ns) > tick


def opened(base: str, name: str) -> int:
    """Opens the directory of that name below `base`, which is made where it is missing.

    Raises:
        OSError: It cannot be made, or a part of it is no directory.
    """
    os.makedirs(base, mode=0o700, exist_ok=True)
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    *parts, last = name.split(os.sep)
    for part in parts:
        try:
            _made(descriptor, part)
            below = _open(descriptor, part)
        finally:
            os.close(descriptor)
        descriptor = below
    try:
        if _made(descriptor, last):
            _clear_others(descriptor, last)
        return _open(descriptor, last)
    finally:
        os.close(descriptor)


def write(directory: int, module: str, data: bytes) -> None:
    """Puts the file of a module into an open directory: others see what was there before, or all of the new.

    Raises:
        OSError: It could not be written.
    """
    new = f"{module}.{os.getpid()}{SUFFIX}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(new, flags, 0o600, dir_fd=directory)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)
        os.replace(new, module, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(new, dir_fd=directory)
        raise


def sweep(directory: int) -> None:
    """Removes what processes have begun to write, and were killed before it was whole.

    Raises:
        OSError: The directory cannot be read, or such a file not be removed.
    """
    for name in os.listdir(directory):
        if name.endswith(SUFFIX):
            with suppress(FileNotFoundError):
                about = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if time.time() - about.st_mtime > HOUR_SECONDS:
                    os.unlink(name, dir_fd=directory)


def _made(above: int, name: str) -> bool:
    """Makes a directory. Whether it was missing."""
    try:
        os.mkdir(name, 0o700, dir_fd=above)
    except FileExistsError:
        return False
    return True


def _open(above: int, name: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, dir_fd=above)


def _clear_others(above: int, ours: str) -> None:
    """Removes directories of installations that are gone, or that nobody starts."""
    others: list[tuple[float, str]] = []
    for name in os.listdir(above):
        with suppress(FileNotFoundError):
            about = os.stat(name, dir_fd=above, follow_symlinks=False)
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and name != ours:
                others.append((about.st_mtime, name))
    others.sort(reverse=True)
    for n, (used, name) in enumerate(others):
        if n >= MOST_OTHERS or time.time() - used > MONTH_SECONDS:
            # Another process may clear it, too, or write into it.
            with suppress(OSError):
                _remove(above, name)


def _remove(above: int, name: str) -> None:
    directory = _open(above, name)
    try:
        for file in os.listdir(directory):
            os.unlink(file, dir_fd=directory)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=above)
