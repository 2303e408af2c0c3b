"""Compiled code in a directory of the user's, where Python keeps none beside the source.

Begun by `callmux.__main__`; asked by `callmux.doctor.byte_code`. `callmux.code_keeper` writes it. Python
compiles at each start what it may not, or must not, keep beside its source: a read-only installation,
`PYTHONDONTWRITEBYTECODE`. Nothing here may end a session: whatever cannot be used is compiled as ever. It is
all for this process alone: no setting and no variable changes that another program would see.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from types import CodeType

from callmux.own_modules import HEAD_BYTES, fits

VARIABLE = "CALLMUX_BYTE_CODE"
HASH_BYTES = 8
MOST_BYTES = 16 * 1024 * 1024
"""A file of more is none of ours."""
DAY_SECONDS = 86_400
_FLAGS = 0 if os.name != "posix" else os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_STANDARD_HOOK = "FileFinder.path_hook.<locals>.path_hook_for_FileFinder"

Key = tuple[str, int, int, int]
"""Path of a source, when it was written, when anything of its file was changed, and its size."""


def place(env: Mapping[str, str]) -> tuple[str, str] | None:
    """The user's directory for caches, and the name of ours in there; None where there is no such place.

    It is one for each installation and Python: two of them would take turns in writing the same files.
    """
    if env.get(VARIABLE) == "off" or os.name != "posix" or os.getuid() != os.geteuid():
        return None
    base = env.get("XDG_CACHE_HOME") or ""
    if not os.path.isabs(base):
        home = env.get("HOME") or ""
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, ".cache")
    here = os.fsencode(f"{sys.version} {sys.flags.optimize} {sys.prefix} {__file__}")
    name = f"{sys.implementation.cache_tag}-{source_hash(MAGIC_NUMBER + here).hex()}"
    return base, os.path.join("callmux", "byte-code", name)


def is_of_user(base: str) -> bool:
    """Whether a directory for caches is the user's, or root's: under sudo, HOME may be that of somebody else.

    Where it is not there yet, the next directory above counts.
    """
    while True:
        try:
            return os.stat(base).st_uid in (os.geteuid(), 0)
        except FileNotFoundError:
            above = os.path.dirname(base)
            if above == base:
                return False
            base = above
        except (OSError, ValueError):
            return False


def is_private(about: os.stat_result) -> bool:
    """Whether a directory is the user's, and nobody else may write or read there."""
    return about.st_uid == os.geteuid() and not about.st_mode & 0o077


def key_of(path: str | os.PathLike[str]) -> Key:
    """What tells whether a source is still the one that was compiled.

    Raises:
        OSError: It cannot be looked at.
    """
    about = os.stat(path)
    return os.fspath(path), about.st_mtime_ns, about.st_ctime_ns, about.st_size


class KeptCode:
    """The directory, as far as it is there.

    Attributes:
        place: Where it is, or would be, in two parts; None for no such place.
        descriptor: The open directory: files are looked up in there and nowhere else, whatever somebody puts
            in its place meanwhile. None where there is none that may be used.
        writes: Whether code is still written. After the first failure it is not.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.place = place(env)
        self.descriptor: int | None = None
        self._swept = False
        self.writes = self.place is not None and is_of_user(self.place[0])
        if self.place is None or not self.writes:
            return
        try:
            self.descriptor = os.open(os.path.join(*self.place), _FLAGS | os.O_DIRECTORY)
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            self.writes = False
            return
        about = os.fstat(self.descriptor)
        if not is_private(about):
            self.close()
        elif abs(about.st_mtime - time.time()) > DAY_SECONDS:
            # Those that nobody starts from any more are cleared by this.
            try:
                os.utime(self.descriptor)
            except OSError:
                self.writes = False

    def code(self, module: str, key: Key) -> CodeType | None:
        """What was kept of a module; None where that is nothing, broken, or of another source."""
        if self.descriptor is None:
            return None
        try:
            file = os.open(module, _FLAGS | os.O_NONBLOCK, dir_fd=self.descriptor)
        except (OSError, ValueError):
            return None
        try:
            size = os.fstat(file).st_size
            data = os.read(file, size) if size <= MOST_BYTES else b""
        except OSError:
            return None
        finally:
            os.close(file)
        # Half a file, as after a power cut, would have the interpreter crash, or worse.
        content = data[HASH_BYTES:]
        if data[:HASH_BYTES] != source_hash(content):
            return None
        try:
            kept, code = marshal.loads(content)
        except (ValueError, EOFError, TypeError):
            return None
        return code if kept == key and isinstance(code, CodeType) else None

    def keep(self, module: str, key: Key, code: CodeType) -> None:
        """Writes what was compiled. Whatever goes wrong, nothing is written from then on."""
        if self.place is None or not self.writes:
            return
        # Its own code is not kept: it is read in only to write.
        self.writes = False
        try:
            self._keep(self.place, module, key, code)
        except Exception:  # noqa: BLE001 - callmux may be removed or another one by now: the import goes on
            return
        self.writes = True

    def _keep(self, place: tuple[str, str], module: str, key: Key, code: CodeType) -> None:
        from callmux.code_keeper import is_settled, opened, sweep, write

        if not is_settled(key[2]):
            return
        content = marshal.dumps((key, code))
        if self.descriptor is None:
            self.descriptor = opened(*place)
            if not is_private(os.fstat(self.descriptor)):
                self.close()
                raise PermissionError("others may reach the directory")
        if not self._swept:
            sweep(self.descriptor)
            self._swept = True
        write(self.descriptor, module, source_hash(content) + content)

    def close(self) -> None:
        """Nothing is looked up or written any more."""
        self.writes = False
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


class KeepingLoader(SourceFileLoader):
    """Python's loader of sources; what it would compile is looked up first, and kept afterwards."""

    kept: KeptCode
    _compiled: CodeType | None = None
    _is_broken = False

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of a module."""
        try:
            key = key_of(self.path)
        except (OSError, ValueError):
            return super().get_code(fullname)
        code = self.kept.code(fullname, key)
        if code is None:
            code = self._beside(fullname)
            if self._compiled is not None and not self._python_keeps():
                self.kept.keep(fullname, key, self._compiled)
            self._compiled = None
        return code

    def _beside(self, fullname: str) -> CodeType | None:
        """What Python has beside the source, else what it makes of it."""
        try:
            return super().get_code(fullname)
        except (EOFError, ValueError, TypeError):
            # Half a file beside the source, of which Python looks at the beginning only.
            self._is_broken = True
            return self.source_to_code(self.get_data(self.path), self.path)

    def _python_keeps(self) -> bool:
        """Whether Python has kept what it compiled just now: what is there may be of an earlier source."""
        if sys.dont_write_bytecode or self._is_broken:
            return False
        try:
            with open(cache_from_source(self.path), "rb") as file:
                return fits(file.read(HEAD_BYTES), os.stat(self.path))
        except (OSError, NotImplementedError):
            return False

    def source_to_code(self, *given: object, **named: object) -> CodeType:  # type: ignore[override]
        """Compiles, for which Python asks only where it has found nothing beside the source."""
        self._compiled = super().source_to_code(*given, **named)  # type: ignore[arg-type]
        return self._compiled


def begin(env: Mapping[str, str]) -> None:
    """Has what is imported from now on looked up in our directory, too.

    Args:
        env: The environment.
    """
    hooks = [getattr(hook, "__qualname__", "") for hook in sys.path_hooks]
    kept = KeptCode(env)
    if _STANDARD_HOOK not in hooks or not (kept.writes or kept.descriptor is not None):
        return
    loader = type("KeepingLoader", (KeepingLoader,), {"kept": kept})
    hook = FileFinder.path_hook(
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (loader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
    # Right before Python's own: what others have put in front of that keeps its turn.
    sys.path_hooks.insert(len(hooks) - 1 - hooks[::-1].index(_STANDARD_HOOK), hook)
    for path, finder in [*sys.path_importer_cache.items()]:
        if type(finder) is FileFinder:
            del sys.path_importer_cache[path]
