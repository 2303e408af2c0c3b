"""Values that stand elsewhere: `env:NAME` and `file:PATH`. Reads the environment it is given, and files.

`resolve_reference` is called by `callmux.secrets.resolving`, which knows all kinds of references, and where
only these two can stand; `hash_in_memory` by `callmux.config.load`. No message ever holds a value.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from callmux.config.references import REFERENCES
from callmux.errors import SecretError
from callmux.text import BOM, NotText, check_variable, text_of

MAX_BYTES = 64 * 1024


def resolve_reference(reference: str, base_dir: Path, env: Mapping[str, str]) -> str:
    """The value behind a reference, less one final line end.

    Args:
        reference: `env:NAME` or `file:PATH`.
        base_dir: What a relative PATH starts from: the directory of the configuration file.
        env: The variables there are.

    Raises:
        SecretError: There is no value, or it is empty.
    """
    scheme, _, rest = reference.strip().partition(":")
    path = referenced_file(reference, base_dir)
    if scheme == "env" and rest:
        value = env.get(rest, "")
        if not value:
            raise SecretError(f'references missing or empty environment variable "{rest}"')
        try:
            return check_variable(value, rest)
        except NotText as error:
            raise SecretError(error.message) from None
    if path is not None:
        value = read_secret_file(path)
        value = value.removesuffix("\n").removesuffix("\r") if value.endswith("\n") else value
        if not value:
            raise SecretError(f'references the empty file "{path}"')
        return value
    raise SecretError(f"must use supported secret refs: {REFERENCES}")


def referenced_file(reference: str, base_dir: Path) -> Path | None:
    """The file that a reference names; None where it names a variable."""
    scheme, _, rest = reference.strip().partition(":")
    if scheme != "file" or not (path := rest.strip()):
        return None
    return base_dir / (Path(path).expanduser() if path.startswith("~/") else path)


def read_secret_file(path: Path, what: str = "secret file") -> str:
    """The text of a file that may hold secrets.

    Args:
        what: What it is called in messages.

    Raises:
        SecretError: It is not there, is no regular file of UTF-8 text, or is too large.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SecretError(f'could not read {what} "{path}": it is not a regular file')
            data = _read_up_to(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the path cannot be used"
        raise SecretError(f'could not read {what} "{path}": {reason}') from None
    if len(data) > MAX_BYTES:
        raise SecretError(f'could not read {what} "{path}": it is larger than {MAX_BYTES} bytes')
    try:
        value = text_of(data, f'"{path}"')
    except NotText as error:
        raise SecretError(f"could not read {what} {error.message}") from None
    if "\0" in value:
        raise SecretError(f'could not read {what} "{path}": it holds a zero byte')
    return value.removeprefix(BOM)


def _read_up_to(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


@cache
def _own_key() -> bytes:
    """A secret of this process."""
    return os.urandom(32)


def hash_in_memory(token: str) -> str:
    """The scrypt hash of a token that is written nowhere: for as long as the process lives the same for the
    same token, so that a reload can tell which tokens are others."""
    import hashlib

    salt = hashlib.blake2b(token.encode(), key=_own_key(), digest_size=16).digest()
    return hash_token(token, salt)


def hash_token(token: str, salt: bytes | None = None) -> str:
    """The scrypt hash of a token, as configurations hold it; a fresh one without `salt`."""
    import hashlib
    from base64 import urlsafe_b64encode

    cost, block, parallel = 16384, 8, 1
    salt = salt or os.urandom(16)
    key = hashlib.scrypt(token.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=64 * 2**20, dklen=32)
    encoded = "$".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (salt, key))
    return f"scrypt${cost}${block}${parallel}${encoded}"
