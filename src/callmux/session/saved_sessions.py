"""What of a listener's sessions outlives its process: the key that seals ids, and what each session leaves.

Called by `callmux.cli.listen`: what is left is saved at the end and taken up once at the next start on that
port, or handed to the next process by `callmux.cli.handover`; `callmux.transport.http.listener` fulfils it.
After a crash there is none; then sessions go on all the same, by their ids alone (`callmux.session.tickets`).
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

KEY_BYTES = 32


class SavedSession(msgspec.Struct, frozen=True):
    """One session's.

    Attributes:
        log_level: What the client set with `logging/setLevel`, or None.
        client_name: What it calls itself, or None.
        subscriptions: The resources it wants to hear of, by the URIs it knows.
        waits: Whether it is a bridge that is to know when a person is asked.
    """

    log_level: str | None = None
    client_name: str | None = None
    subscriptions: list[str] = []
    waits: bool = False

    def requests(self) -> list[tuple[str, bytes]]:
        """The requests that bring a new session where the old one was: methods and params."""
        asked: list[tuple[str, dict[str, str]]] = []
        if self.log_level is not None:
            asked.append(("logging/setLevel", {"level": self.log_level}))
        asked.extend(("resources/subscribe", {"uri": uri}) for uri in self.subscriptions)
        return [(method, msgspec.json.encode(params)) for method, params in asked]


VERSION = 1
"""Of the file. What is added has a default, so both releases read each other's; what cannot be read so is
another version, and the release that brings it reads this one, too."""


class SavedSessions(msgspec.Struct, frozen=True):
    """What all sessions of a listener leave.

    Attributes:
        ended: Marks of sessions that are over; a listener of an older version gives their ids.
        sessions: What the others leave, by id.
        floor: Sessions that began before this time may be over, too: seconds since 1970.
        version: Of this form; a listener that wrote none has version 1, too.
    """

    ended: list[str] = []
    sessions: dict[str, SavedSession] = msgspec.field(default_factory=dict, name="legacies")
    floor: float = 0.0
    version: int = VERSION


def save(directory: Path, port: int, saved: SavedSessions) -> None:
    """Writes what the listener on `port` leaves, readable by its owner only."""
    if not saved.ended and not saved.sessions:
        return
    path = _path(directory, port)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A new file of mode 0600, so that what stands there is always whole.
        from tempfile import mkstemp

        descriptor, beside = mkstemp(dir=directory, prefix=path.name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(saved))
        os.replace(beside, path)
    except OSError as error:
        log.warning("could not write %s, so sessions lose log levels and subscriptions: %s", path, error)


def take(directory: Path, port: int) -> SavedSessions:
    """What the last listener on `port` left; empty where it left nothing that can be read. Only once."""
    path = _path(directory, port)
    try:
        content = path.read_bytes()
        path.unlink()
        left = msgspec.json.decode(content, type=SavedSessions)
    except FileNotFoundError:
        return SavedSessions()
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("could not read %s: %s", path, error)
        return SavedSessions()
    if left.version > VERSION:
        log.warning("could not use %s: a newer callmux wrote it (version %d)", path, left.version)
        return SavedSessions()
    return left


def _path(directory: Path, port: int) -> Path:
    return directory / f"sessions-{port}.json"


def session_key(directory: Path) -> bytes:
    """The key in `directory`; makes both where they are not there yet."""
    path = directory / "session.key"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
            if len(key) == KEY_BYTES:
                return key
            descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
        key = secrets.token_bytes(KEY_BYTES)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
    except OSError as error:
        log.warning("could not keep %s, so sessions will not survive a restart: %s", path, error)
        return secrets.token_bytes(KEY_BYTES)
    return key
