"""Finds callmux's own modules where Python has them compiled, with less work than its own search.

Begun by `callmux.__main__`; `callmux.kept_code` and `callmux.doctor.byte_code` use `fits`. A start imports
some two hundred modules, and half of what a small one takes is the search: Python asks several finders, looks
at three places and builds each path anew. This looks where a module of ours can be, and checks what Python
checks. Whatever is not there, or does not fit, goes Python's way: a package, a source that has changed, one
that is not compiled yet. It is one process's import hook: children see nothing of it.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType

PACKAGE = "callmux."
HEAD_BYTES = 16
"""What stands before the code in a compiled file: magic number, flags, then time and size of the source."""
_BEGIN = MAGIC_NUMBER + bytes(4)
"""No flags: a file that goes by a hash of its source has one."""
_COMPILED = f".{sys.implementation.cache_tag}.pyc"


def fits(head: bytes, source: os.stat_result) -> bool:
    """Whether a compiled file that begins so is of this Python and of a source as it is now."""
    numbers = int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF
    named = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
    return head[:8] == _BEGIN and named == numbers


def code_of(source: str, compiled: str) -> CodeType | None:
    """The code of a source, from the file beside it; None where that is not there or does not fit."""
    try:
        about = os.stat(source)
        file = os.open(compiled, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.read(file, os.fstat(file).st_size)
        finally:
            os.close(file)
        if not fits(data[:HEAD_BYTES], about):
            return None
        code = marshal.loads(memoryview(data)[HEAD_BYTES:])
    except (OSError, ValueError, EOFError, TypeError):
        # Python says what is wrong, should it find the same.
        return None
    # In a tree that was moved, it is Python that mends the path in the code.
    return code if isinstance(code, CodeType) and code.co_filename == source else None


class ReadLoader(SourceFileLoader):
    """Python's loader of sources, of a module whose code is read already.

    Args:
        name: The module's.
        path: Its source.
        code: Its code, for the first import.
    """

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code: CodeType | None = code

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the module."""
        code, self._code = self._code, None
        return super().get_code(fullname) if code is None else code


class OwnModules:
    """The finder."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a module of ours is; None for whatever Python is to look for itself."""
        if path is None or len(path) != 1 or not name.startswith(PACKAGE):
            return None
        word = name.rpartition(".")[2]
        source, compiled = f"{path[0]}/{word}.py", f"{path[0]}/__pycache__/{word}{_COMPILED}"
        code = code_of(source, compiled)
        if code is None:
            return None
        spec = ModuleSpec(name, ReadLoader(name, source, code), origin=source)
        spec.has_location, spec.cached = True, compiled
        return spec


def begin() -> None:
    """Has our modules found so from now on, unless Python is told to keep its compiled files elsewhere."""
    if os.name == "posix" and sys.pycache_prefix is None and sys.flags.optimize == 0:
        sys.meta_path.insert(0, OwnModules)
