"""Finds and reads the files that references name, and says what each becomes in JSON.

Called by `callmux.rings.references.resolving`, in threads: everything here may block. With roots, only what
really lies inside one is opened, and what is missing elsewhere looks like what is forbidden.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence

import msgspec

from callmux import yaml
from callmux.depth import DEEPEST, ROOM, too_deep
from callmux.protocol.shapes import json_in
from callmux.rings.envelope import encode
from callmux.rings.references.recognition import FileReference
from callmux.text import BOM, NotText, text_of

MOST_BYTES = 16_000_000
"""What the files of one call may say together; a file named twice counts twice."""
SHOWN = 200
"""Characters of a path in a message."""

_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)


class Unreadable(ValueError):
    """A file that cannot be used; the text begins with the place of its reference."""


class ReferenceRoots:
    """Where references may lead.

    Args:
        base: Where relative paths start.
        roots: The only directories whose files may be read; None for no such limit.
        strict: Whether a path must not even be spelled outside the roots: a remote caller must not learn from
            links outside them.
    """

    def __init__(self, base: str, roots: Sequence[str] | None, *, strict: bool = False) -> None:
        self.base = base
        self.roots = roots
        self.strict = strict


class Source:
    """One file, however many references name it.

    Attributes:
        real: Its real path.
        root: The real root it lies in; None where there are no roots.
        references: What names it.
        size: Its size when it was found.
    """

    __slots__ = ("real", "references", "root", "size")

    def __init__(self, real: str, root: str | None) -> None:
        self.real = real
        self.root = root
        self.references: list[FileReference] = []
        self.size = 0

    @property
    def strictest(self) -> FileReference:
        """The reference that allows the fewest bytes."""
        return min(self.references, key=lambda reference: reference.max_bytes)


def find(references: Sequence[FileReference], place: ReferenceRoots) -> list[Source]:
    """The files that `references` name, each once, all small enough.

    Raises:
        Unreadable: One is not there, no regular file, out of bounds or too large, or all together are.
    """
    real_roots = None if place.roots is None else [os.path.realpath(root) for root in place.roots]
    sources: dict[str, Source] = {}
    for reference in references:
        real, root = _locate(reference, place, real_roots)
        source = sources.get(real)
        if source is None:
            source = sources[real] = Source(real, root)
        source.references.append(reference)
    total = 0
    for source in sources.values():
        first = source.references[0]
        try:
            facts = os.stat(source.real)
        except OSError as error:
            raise _failed(first, error) from None
        if not stat.S_ISREG(facts.st_mode):
            raise _irregular(first)
        source.size = facts.st_size
        _check_size(source, facts.st_size)
        total += facts.st_size * len(source.references)
        if total > MOST_BYTES:
            raise _too_much(first)
    return list(sources.values())


def _locate(
    reference: FileReference, place: ReferenceRoots, real_roots: Sequence[str] | None
) -> tuple[str, str | None]:
    path = os.path.join(place.base, reference.path)
    if place.roots is None or real_roots is None:
        try:
            return os.path.realpath(path), None
        except (OSError, ValueError) as error:
            raise _failed(reference, error) from None
    spelled = (*map(os.path.abspath, place.roots), *real_roots)
    if place.strict:
        path = os.path.normpath(path)
        if not any(is_inside(path, root) for root in spelled):
            raise _outside(reference)
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError) as error:
        # Such as a file that becomes a link while its place is looked up. What is outside says nothing.
        inside = any(is_inside(os.path.normpath(path), root) for root in spelled)
        raise (_failed(reference, error) if inside else _outside(reference)) from None
    root = next((root for root in real_roots if is_inside(real, root)), None)
    if root is None:
        raise _outside(reference)
    return real, root


def is_inside(path: str, root: str) -> bool:
    """Whether an absolute path without `..` is `root` or lies below it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def load(source: Source, stopped: Callable[[], bool] = lambda: False) -> tuple[int, dict[str, bytes]]:
    """Reads a file.

    Returns:
        Its size in bytes, and its JSON by the form of reference.

    Raises:
        Unreadable: It cannot be read, has grown too large, or does not parse.
        Stopped: It was stopped.
    """
    data = _read(source)
    try:
        text = text_of(data, _named(source.references[0]))
    except NotText as error:
        raise Unreadable(error.message) from None
    shown: dict[str, bytes] = {}
    for reference in source.references:
        if reference.form not in shown:
            shown[reference.form] = _as_json(text, reference, stopped)
    return len(data), shown


def _read(source: Source) -> bytes:
    first, most = source.references[0], source.strictest.max_bytes
    try:
        number = _open(source)
        with open(number, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise _irregular(first)
            # Not by the size that was reported: a file may grow meanwhile, and some say 0.
            parts: list[bytes] = []
            left = most + 1
            while left > 0 and (part := file.read(left)):
                parts.append(part)
                left -= len(part)
    except OSError as error:
        raise _failed(first, error) from None
    data = b"".join(parts)
    _check_size(source, len(data), "at least ")
    return data


def _open(source: Source) -> int:
    """Opens a file without waiting; inside a root, without following any link that was put there since."""
    if source.root is None or os.open not in os.supports_dir_fd:
        return os.open(source.real, os.O_RDONLY | _NO_WAIT)
    *directories, name = os.path.relpath(source.real, source.root).split(os.sep)
    at = os.open(source.root, os.O_RDONLY | _DIRECTORY)
    try:
        for directory in directories:
            below = os.open(directory, os.O_RDONLY | _DIRECTORY | _NO_LINK, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, os.O_RDONLY | _NO_WAIT | _NO_LINK, dir_fd=at)
    finally:
        os.close(at)


def _as_json(text: str, reference: FileReference, stopped: Callable[[], bool]) -> bytes:
    if reference.form == "$file":
        return encode(text)
    if reference.form == "$jsonFile":
        value = json_in(text.removeprefix(BOM))
        if value is None:
            raise _unparsed(reference, _json_problem(text))
        return bytes(value)
    try:
        return yaml.to_json(text, MOST_BYTES, stopped)
    except yaml.YamlProblem as problem:
        raise _unparsed(reference, str(problem)) from None


def _json_problem(text: str) -> str:
    try:
        msgspec.json.decode(text.removeprefix("\ufeff"), type=msgspec.Raw)
        msgspec.json.decode(text.removeprefix("\ufeff"))
    except (msgspec.MsgspecError, UnicodeError) as error:
        return str(error)
    except RecursionError:
        pass
    return f"it {too_deep(DEEPEST - ROOM)}"


def _named(reference: FileReference) -> str:
    path = reference.path if len(reference.path) <= SHOWN else reference.path[:SHOWN] + "…"
    return f'{reference.where}: {reference.form} "{path}"'


def _outside(reference: FileReference) -> Unreadable:
    return Unreadable(f"{_named(reference)} is outside configured fileReferenceRoots")


def _irregular(reference: FileReference) -> Unreadable:
    return Unreadable(f"{_named(reference)} must resolve to a regular file")


def _failed(reference: FileReference, error: OSError | ValueError) -> Unreadable:
    name, reason = "EINVAL", "no file can have such a name"
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "EIO")
        reason = (error.strerror or "cannot be read").lower()
    return Unreadable(f"{_named(reference)} cannot be read: {reason} ({name})")


def _unparsed(reference: FileReference, problem: str) -> Unreadable:
    return Unreadable(f"{_named(reference)}: failed to parse {reference.form}: {problem}")


def _check_size(source: Source, size: int, at_least: str = "") -> None:
    strictest = source.strictest
    if size > strictest.max_bytes:
        raise Unreadable(
            f"{_named(strictest)} exceeds maxBytes: it has {at_least}{size} bytes, {strictest.max_bytes} are "
            "allowed"
        )


def _too_much(reference: FileReference) -> Unreadable:
    return Unreadable(f"{_named(reference)}: the files of one call exceed {MOST_BYTES} bytes together")
