"""Sign-ins that are kept: tokens of remote servers, for all processes of this user.

Called by `callmux.oauth`. One file for each account, mode 0600, in a directory that depends on no version and
no working directory. Where there is a safe, such as the system's keyring, the secrets are there and the file
says so. Every change is a new generation: who finds a newer one than he used has been overtaken by another
process.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from callmux.places import state_dir
from callmux.stores.sign_ins import NOTHING, Account, KeptAccount, OAuthClient, SignedIn

VERSION = 1
MAX_BYTES = 1024 * 1024


class Safe(Protocol):
    """A place for secrets beside the file, such as the system's keyring. Every method may raise
    `SafeFailed`."""

    def read(self, name: str) -> bytes | None:
        """What is kept under a name, or None."""

    def write(self, name: str, value: bytes) -> None:
        """Keeps it."""

    def remove(self, name: str) -> None:
        """Forgets it; nothing where there is none."""


class SafeFailed(Exception):
    """The safe cannot be used. The text says why, without the secret."""


class TokensUnreadable(Exception):
    """What is kept cannot be used. The text says why and names the file."""


class HoldFailed(Exception):
    """Nobody gets the right to change an account now. The text says why."""


class _File(msgspec.Struct, kw_only=True, omit_defaults=True):
    version: int
    account: dict[str, str]
    kept: KeptAccount
    safe: bool = False


class _Versioned(msgspec.Struct):
    version: int


_FILE = msgspec.json.Decoder(_File)
_VERSIONED = msgspec.json.Decoder(_Versioned)
_SECRETS = msgspec.json.Decoder(tuple[int, SignedIn | None, tuple[str, OAuthClient] | None])
_Stamp = tuple[int, int, int]


class Hold:
    """The right to change one account; held by one process at a time, and gone with it.

    Args:
        descriptor: The lock.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives it back."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class TokenStore:
    """The sign-ins of this user.

    Args:
        directory: Where the files are.
        safe: Where the secrets are; in the files where absent.
    """

    def __init__(self, directory: Path, safe: Safe | None = None) -> None:
        self._directory = directory
        self._safe = safe
        self._seen: dict[Account, tuple[_Stamp, KeptAccount]] = {}

    def __repr__(self) -> str:
        return f"TokenStore({str(self._directory)!r}{', with a safe' if self._safe else ''})"

    def path(self, account: Account) -> Path:
        """The file of an account."""
        return self._directory / f"{account.digest}.json"

    def read(self, account: Account) -> KeptAccount:
        """What is kept; the same object as long as nobody has changed it.

        Raises:
            TokensUnreadable: It cannot be used.
        """
        path = self.path(account)
        try:
            facts = path.lstat()
        except OSError:
            self._seen.pop(account, None)
            return NOTHING
        stamp = facts.st_ino, facts.st_mtime_ns, facts.st_size
        seen = self._seen.get(account)
        if seen is not None and seen[0] == stamp:
            return seen[1]
        kept = self._read(path, facts, account)
        self._seen[account] = stamp, kept
        return kept

    def hold(self, account: Account) -> Hold | None:
        """The right to change an account, if nobody has it.

        Raises:
            OSError: The directory cannot be used.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT
        for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK"):
            flags |= getattr(os, name, 0)
        descriptor = os.open(self.path(account).with_suffix(".lock"), flags, 0o600)
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            # Windows: files are replaced as a whole, and the last one wins.
            pass
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        return Hold(descriptor)

    async def joined(self, account: Account, held: Hold, seconds: float) -> Hold:
        """The same right wherever else the account is kept: where it is kept here alone, what is given.

        Args:
            held: The right on this machine; given back where there is no more.
            seconds: How long to wait for the rest.

        Raises:
            HoldFailed: There is no such right now.
        """
        return held

    def write(self, account: Account, kept: KeptAccount) -> None:
        """Keeps something else of an account; whoever calls holds it.

        Raises:
            OSError: The file cannot be written.
            SafeFailed: The safe does not take it.
        """
        shown, safe = kept, self._safe if self._belongs_into_safe(account, kept) else None
        if safe is not None:
            secrets = kept.generation, kept.signed_in, kept.registered
            # First: a file that points to nothing would be worse than secrets that nobody looks for.
            safe.write(account.digest, msgspec.json.encode(secrets))
            shown = msgspec.structs.replace(kept, signed_in=None, registered=None)
        file = _File(version=VERSION, account=account.shown, kept=shown, safe=safe is not None)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(account)
        new = path.with_name(f"{path.name}.{os.urandom(6).hex()}.new")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(msgspec.json.encode(file))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(new, path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
        self._seen.pop(account, None)

    def remove(self, account: Account) -> None:
        """Forgets an account; whoever calls holds it.

        Raises:
            OSError: The file cannot be removed.
            SafeFailed: The safe does not forget it.
        """
        if self._safe is not None:
            self._safe.remove(account.digest)
        self.path(account).unlink(missing_ok=True)
        self._seen.pop(account, None)

    def _belongs_into_safe(self, account: Account, kept: KeptAccount) -> bool:
        """Whether secrets go into the safe: new ones do. Those that are in a file stay there, because another
        process, such as a service, may reach no safe."""
        if kept.signed_in is None and kept.registered is None:
            return False
        path = self.path(account)
        try:
            file = _decoded(path, path.lstat())
        except (OSError, TokensUnreadable):
            return True
        return file.safe or (file.kept.signed_in is None and file.kept.registered is None)

    def _read(self, path: Path, facts: os.stat_result, account: Account) -> KeptAccount:
        file = _decoded(path, facts)
        if file.account != account.shown:
            raise TokensUnreadable(f"{path} is of another account")
        if not file.safe:
            return file.kept
        if self._safe is None:
            raise TokensUnreadable(
                f"the tokens of {path} are in the system's keyring, which this process cannot use:"
                f' sign out where it can ("callmux logout {account.server}"), and in again here'
            )
        try:
            secrets = self._safe.read(account.digest)
            generation, signed_in, registered = (
                (0, None, None) if secrets is None else _SECRETS.decode(secrets)
            )
        except SafeFailed as error:
            raise TokensUnreadable(f"the tokens of {path} are in the keyring: {error}") from None
        except msgspec.MsgspecError:
            raise TokensUnreadable(f"what the keyring has of {path} is of another version") from None
        return msgspec.structs.replace(
            file.kept,
            generation=max(generation, file.kept.generation),
            signed_in=signed_in,
            registered=registered,
        )


def _decoded(path: Path, facts: os.stat_result) -> _File:
    if problem := _problem(facts):
        raise TokensUnreadable(f"{path}: {problem}")
    try:
        data = path.read_bytes()
        if (version := _VERSIONED.decode(data).version) != VERSION:
            raise TokensUnreadable(f"{path} is of version {version}: it was written by a newer callmux")
        return _FILE.decode(data)
    except OSError as error:
        raise TokensUnreadable(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise TokensUnreadable(f"{path} is damaged: remove it and sign in again") from None


def _problem(facts: os.stat_result) -> str:
    """Why a file of this kind is not believed; empty where it is."""
    if not stat.S_ISREG(facts.st_mode):
        return "it is not a plain file"
    if hasattr(os, "getuid") and facts.st_uid != os.getuid():
        return "it belongs to another user"
    if os.name == "posix" and facts.st_mode & 0o077:
        return "others may read it: set its mode to 0600"
    return "it is too large" if facts.st_size > MAX_BYTES else ""


def token_directory(env: Mapping[str, str]) -> Path:
    """Where sign-ins are kept: `tokens` in the state directory."""
    return state_dir(env) / "tokens"
