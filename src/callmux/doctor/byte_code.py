"""Whether Python finds callmux compiled, or has to compile it anew at each start.

Called by `callmux.cli.doctor`. Python keeps what it has compiled beside the source; where it may not, or must
not, `callmux.kept_code` keeps it in a directory of the user's. Where that cannot be either, each start takes
longer, and nobody sees why.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

import msgspec

from callmux.kept_code import VARIABLE, KeptCode, is_of_user, key_of
from callmux.own_modules import HEAD_BYTES, fits

PACKAGE = Path(__file__).parents[1]
STARTING = ("config", "process", "protocol", "rings", "router", "session", "transport", "upstream")
"""The packages of which a start reads in most."""


class ByteCode(msgspec.Struct, frozen=True):
    """How callmux is found compiled.

    Attributes:
        kept: Where callmux keeps it, and why Python does not; None where Python does.
        warnings: Where nobody does: why, and what to do.
    """

    kept: str | None = None
    warnings: list[str] = []


def byte_code(
    kept: KeptCode, package: Path = PACKAGE, *, keeps: bool | None = None, prefix: str | None = None
) -> ByteCode:
    """What becomes of the byte code of callmux.

    Args:
        kept: The user's directory.
        package: Where callmux is.
        keeps: Whether this Python keeps what it compiles; what it says of itself where absent.
        prefix: The directory in which it keeps it; beside the source where absent.
    """
    keeps = not sys.dont_write_bytecode if keeps is None else keeps
    prefix = sys.pycache_prefix if prefix is None else prefix
    sources = [source for name in STARTING for source in (package / name).rglob("*.py")]
    missing = sum(not _is_compiled(source) for source in sources)
    compiled = package / "__pycache__"
    beside = compiled if compiled.is_dir() else package
    writable = os.access(beside if prefix is None else prefix, os.W_OK)
    if 2 * missing <= len(sources) or (keeps and writable):
        return ByteCode()
    why = "PYTHONDONTWRITEBYTECODE is set" if not keeps else f"it may not write in {prefix or beside}"
    found = sum(kept.code(_name(package, source), key_of(source)) is not None for source in sources)
    trouble = _trouble(kept)
    if trouble is None or 2 * found > len(sources):
        return ByteCode(f"kept in {_path(kept)}, since Python keeps none beside callmux: {why}")
    command = shlex.join([sys.executable or "python3", "-m", "compileall", "-q", str(package)])
    who = "" if writable else " as a user who may write there"
    return ByteCode(
        warnings=[
            f"Python compiles callmux anew at each start, which takes about 200 ms: {why}, and callmux"
            f" cannot keep it itself: {trouble}. Change that, or run it once{who}, and again after each"
            f" update: {command}"
        ]
    )


def _name(package: Path, source: Path) -> str:
    parts = ["callmux", *source.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _path(kept: KeptCode) -> str:
    return os.path.join(*kept.place) if kept.place else ""


def _trouble(kept: KeptCode) -> str | None:
    """What keeps callmux from keeping it; None for nothing."""
    if kept.place is None:
        if os.environ.get(VARIABLE) == "off":
            return f"{VARIABLE} is off"
        return "neither XDG_CACHE_HOME nor HOME names a directory of this user"
    base, path = kept.place[0], _path(kept)
    if not is_of_user(base):
        return f"{base} is another user's; let XDG_CACHE_HOME name a directory of your own"
    if kept.descriptor is None and os.path.lexists(path):
        return f"{path} is no directory that only you may read and write; remove it"
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return None if os.access(path, os.W_OK | os.X_OK) else f"{path} cannot be written in"


def _is_compiled(source: Path) -> bool:
    """Whether there is a compiled file that fits a source."""
    try:
        with open(cache_from_source(str(source)), "rb") as file:
            head = file.read(HEAD_BYTES)
        if head[:4] != MAGIC_NUMBER or len(head) < HEAD_BYTES:
            return False
        if head[4] & 1:
            # It goes by the content of its source, or by nothing.
            return True
        return fits(head, source.stat())
    except (OSError, NotImplementedError):
        return False
