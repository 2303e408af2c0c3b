"""Whether Python finds callmux compiled, or has to compile it anew at each start.

Called by `callmux.cli.doctor`. Python keeps what it has compiled beside the source; where it may not, or must
not, each start takes longer, and nobody sees why.
"""

from __future__ import annotations

import os
import shlex
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
STARTING = ("config", "process", "protocol", "rings", "router", "session", "transport", "upstream")
"""The packages of which a start reads in most."""
HEAD_BYTES = 16
"""What stands before the code in a compiled file: magic number, flags, then time and size of the source."""


def byte_code_findings(
    package: Path = PACKAGE, *, keeps: bool | None = None, prefix: str | None = None
) -> list[str]:
    """A warning where most of callmux is compiled at each start; none where Python keeps it from now on.

    Args:
        package: Where callmux is.
        keeps: Whether this Python keeps what it compiles; what it says of itself where absent.
        prefix: The directory in which it keeps it; beside the source where absent.
    """
    keeps = not sys.dont_write_bytecode if keeps is None else keeps
    prefix = sys.pycache_prefix if prefix is None else prefix
    sources = [source for name in STARTING for source in (package / name).rglob("*.py")]
    missing = sum(not _is_compiled(source) for source in sources)
    writable = os.access(package if prefix is None else prefix, os.W_OK)
    if 2 * missing <= len(sources) or (keeps and writable):
        return []
    why = "PYTHONDONTWRITEBYTECODE is set" if not keeps else f"it may not write in {prefix or package}"
    command = shlex.join([sys.executable or "python3", "-m", "compileall", "-q", str(package)])
    who = "" if writable else " as a user who may write there"
    return [
        f"Python compiles callmux anew at each start, which takes about 200 ms: {why}. Run it once{who},"
        f" and again after each update: {command}"
    ]


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
        about = source.stat()
    except (OSError, NotImplementedError):
        return False
    numbers = int(about.st_mtime) & 0xFFFFFFFF, about.st_size & 0xFFFFFFFF
    return (int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")) == numbers
