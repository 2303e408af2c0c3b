"""Which callmux a server belongs to: a random name for its mark, and a record that outlives a `kill -9`.

Kept by `callmux.upstream.guardian`. The record is a file under the state directory, locked for as long as its
callmux lives; containers stand in it. `callmux.process.servers` has what belongs to nobody any more
ended at the next start. Calls `callmux.upstream.leftovers`.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from callmux.upstream.leftovers import Container

log = logging.getLogger(__name__)

MARK = "CALLMUX_SERVER_MARK"
"""The variable with the mark; `callmux.upstream.leftovers`, which is run alone, has the same."""
FOLDER = "running"
"""Where records are, in the state directory."""
KEPT_SECONDS = 7 * 86400
"""How long a record is kept whose containers cannot be stopped."""
_NAME = re.compile(r"[0-9a-f]{32}")


class Belongings:
    """What belongs to this callmux.

    Args:
        folder: Where records are; None keeps none.

    Attributes:
        instance: Its random name.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self.instance = os.urandom(16).hex()
        self._descriptor: int | None = None
        self._count = 0

    def __repr__(self) -> str:
        return f"Belongings({self.instance})"

    @property
    def record(self) -> Path | None:
        """The record, once there is one."""
        return None if self._folder is None or self._descriptor is None else self._folder / self.instance

    def mark(self) -> str:
        """A mark for the next process."""
        self._count += 1
        return f"{self.instance}.{self._count}"

    def begin(self) -> None:
        """Makes the record, where there is none yet."""
        if self._folder is None or self._descriptor is not None:
            return
        beside = self._folder / f".{self.instance}"
        descriptor = None
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            # Nobody finds it before it is locked.
            _lock(descriptor)
            beside.rename(self._folder / self.instance)
        except OSError as error:
            log.info("could not keep a record of what runs in %s: %s", self._folder, error)
            if descriptor is not None:
                os.close(descriptor)
                beside.unlink(missing_ok=True)
            # It is not tried again.
            self._folder = None
        else:
            self._descriptor = descriptor

    def note(self, container: Container) -> None:
        """Notes a container that is about to be started."""
        self._write(b"+ " + msgspec.json.encode(container))

    def strike(self, container: Container) -> None:
        """Strikes out a container that is gone."""
        self._write(b"- " + container.name.encode())

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, line + b"\n")
        except OSError as error:
            log.warning("could not note a container in %s: %s", self.record, error)

    def close(self, *, left: bool) -> None:
        """Gives the record up; the next callmux ends what stands in it where something is left."""
        if self._descriptor is not None:
            if not left and (record := self.record) is not None:
                record.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def abandoned(folder: Path, own: str = "") -> list[Path]:
    """The records whose callmux is gone.

    Args:
        own: The name of the caller's, which is not looked at.
    """
    try:
        records = [path for path in folder.iterdir() if path.name != own and _NAME.fullmatch(path.name)]
    except OSError:
        # Nothing has ever been kept there.
        return []
    found = []
    for record in records:
        if (descriptor := _taken(record)) is not None:
            os.close(descriptor)
            found.append(record)
    return found


def sweep(records: Sequence[Path]) -> None:
    """Ends what is left of servers whose callmux is gone, and cannot end it any more. Takes its time."""
    from callmux.upstream import leftovers

    for record in records:
        if (descriptor := _taken(record)) is None:
            continue
        try:
            log.info("ending what a callmux that is gone has left of its servers (%s)", record.name)
            old = time.time() - os.fstat(descriptor).st_mtime > KEPT_SECONDS
            if not leftovers.clear(record.name, str(record)):
                log.warning("could not end all that a callmux that is gone has left (%s)", record.name)
                if old:
                    record.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _taken(record: Path) -> int | None:
    """The record, locked; None where its callmux lives, or another one is about to end what stands in it."""
    from callmux.upstream import leftovers

    try:
        descriptor = leftovers.open_record(record)
    except (OSError, AttributeError):
        # There are systems without ids of users.
        return None
    try:
        _lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> None:
    """Locks a record.

    Raises:
        OSError: Somebody else holds it, or there are no locks here.
    """
    try:
        import fcntl
    except ImportError:
        raise OSError("this system has no locks for files") from None
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def running(state: Path | None) -> Path | None:
    """Where records are, from any directory: the guardian stands in another one."""
    return None if state is None else state.absolute() / FOLDER
