"""What people have decided for whole projects: a file of this user, read by every callmux that he runs.

Made by `callmux.process.approval` and handed to the questions as their memory. A decision is for
a directory, a principal, a tool and the definition that it had: a tool with another definition is asked about
again, and the old decision is dropped. Arguments are never kept. Whatever is wrong with the file, nothing in
it counts.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from callmux.errors import ApprovalUnavailable
from callmux.guard.approvals import Subject
from callmux.timestamps import iso

log = logging.getLogger(__name__)

VERSION = 1
MOST = 10_000
"""Decisions that are kept; the oldest go."""
MAX_BYTES = 16 * 1024 * 1024
LOCK_SECONDS = 1.0
"""How long another callmux may take to write the file."""
_LOOK_SECONDS = 0.01


class Decision(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One decision.

    Attributes:
        directory: Where it holds.
        principal: For whom; empty where nobody has to prove who he is.
        server: The server's key.
        method: The MCP method.
        target: The bare name of a tool or prompt, or a URI.
        definition: A digest of what was approved.
        decided: When, for people.
    """

    directory: str
    principal: str = ""
    server: str
    method: str
    target: str
    definition: str
    decided: str = ""

    @property
    def place(self) -> tuple[str, str, str, str, str]:
        """What there is one decision for."""
        return self.directory, self.principal, self.server, self.method, self.target


class _File(msgspec.Struct, frozen=True):
    version: int
    decisions: list[Decision]


class _Versioned(msgspec.Struct):
    version: int


_FILE = msgspec.json.Decoder(_File)
_VERSIONED = msgspec.json.Decoder(_Versioned)


class Projects:
    """The decisions of one user.

    Args:
        path: The file.
        wall: Gives the time of day.
    """

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall = wall
        self._seen: tuple[int, int, int] | None = None
        self._known: dict[tuple[str, str, str, str, str], Decision] = {}
        self._foreign = False

    @property
    def usable(self) -> bool:
        """Whether a decision can be kept: the file is not that of a newer version."""
        self._read()
        return not self._foreign

    def knows(self, directory: str, principal: str, subject: Subject) -> bool:
        """Whether calls of it are approved there. A decision about another definition is dropped."""
        self._read()
        place = directory, principal, subject.server, subject.method, subject.target
        found = self._known.get(place)
        if found is None:
            return False
        if found.definition == subject.definition:
            return True
        log.info('"%s" of "%s" has changed: its approval is dropped', subject.target, subject.server)
        try:
            self.remove(lambda decision: decision == found)
        except ApprovalUnavailable as error:
            # It does not count all the same: the definitions differ.
            log.warning("%s", error.message)
        return False

    def add(self, directory: str, principal: str, subjects: Sequence[Subject]) -> None:
        """These are approved there from now on.

        Raises:
            ApprovalUnavailable: That cannot be kept.
        """
        now = iso(self._wall())
        new = [
            Decision(
                directory=directory,
                principal=principal,
                server=subject.server,
                method=subject.method,
                target=subject.target,
                definition=subject.definition,
                decided=now,
            )
            for subject in subjects
        ]
        with self._changing() as known:
            for decision in new:
                # Anew, so that the oldest stand first.
                known.pop(decision.place, None)
                known[decision.place] = decision

    def remove(self, which: Callable[[Decision], bool]) -> list[Decision]:
        """Drops decisions, and gives them.

        Raises:
            ApprovalUnavailable: The file cannot be written.
        """
        with self._changing() as known:
            gone = [decision for decision in known.values() if which(decision)]
            for decision in gone:
                del known[decision.place]
        return gone

    def all(self) -> list[Decision]:
        """Every decision, the oldest first."""
        self._read()
        return list(self._known.values())

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[tuple[str, str, str, str, str], Decision]]:
        """What is known, to be changed; it is written afterwards, and nobody else writes meanwhile."""
        try:
            with self._locked():
                self._seen = None
                self._read()
                if self._foreign:
                    raise ApprovalUnavailable(
                        f"{self._path} is of a newer callmux: decisions for projects are not kept by this one"
                    )
                known = dict(self._known)
                yield known
                self._write(list(known.values())[-MOST:])
        except OSError as error:
            reason = error.strerror or str(error)
            raise ApprovalUnavailable(
                f"{self._path} cannot be written ({reason}): nothing was kept"
            ) from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        lock = os.open(self._path.with_suffix(".lock"), flags, 0o600)
        try:
            _lock(lock)
            yield
        finally:
            os.close(lock)

    def _read(self) -> None:
        """Reads the file if it is another one than it was."""
        try:
            facts = self._path.lstat()
        except OSError:
            self._seen, self._known, self._foreign = None, {}, False
            return
        seen = facts.st_ino, facts.st_mtime_ns, facts.st_size
        if seen == self._seen:
            return
        self._seen, self._known, self._foreign = seen, {}, False
        problem = _problem(facts)
        try:
            data = b"" if problem else self._path.read_bytes()
            if not problem and (version := _VERSIONED.decode(data).version) != VERSION:
                self._foreign = version > VERSION
                problem = f"it is of version {version}"
            if not problem:
                self._known = {decision.place: decision for decision in _FILE.decode(data).decisions}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            problem = str(error)
        if problem:
            log.warning("approvals for projects in %s do not count: %s", self._path, problem)

    def _write(self, decisions: list[Decision]) -> None:
        data = msgspec.json.format(msgspec.json.encode(_File(VERSION, decisions)), indent=1)
        new = self._path.with_name(f"{self._path.name}.{os.urandom(6).hex()}.new")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        self._seen = None


def _problem(facts: os.stat_result) -> str:
    """Why nothing in a file of this kind is believed; empty where it is."""
    if not stat.S_ISREG(facts.st_mode):
        return "it is not a plain file"
    if hasattr(os, "getuid") and facts.st_uid != os.getuid():
        return "it belongs to another user"
    if facts.st_mode & 0o022:
        return "others may write to it: set its mode to 0600"
    return "it is too large" if facts.st_size > MAX_BYTES else ""


def _lock(lock: int) -> None:
    """Waits until nobody else holds the lock, within a bound.

    Raises:
        OSError: Somebody holds it all the time.
    """
    try:
        import fcntl
    except ImportError:
        # Windows: the file is replaced as a whole, and the last one wins.
        return
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return
